"""From bytes to what a net sees: (v / 255 - mean) / std, a batch at a time and where the batch lies."""

from functools import cache

import torch
from torch import Tensor


def normalise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """[..., C, H, W] uint8 -> float32 (v / 255 - mean) / std.

    On the CPU by the same operations as ToTensor and Normalize, so with the same bits; on a GPU in one kernel.
    """
    if images.is_cuda:
        return fused_normalise(images, mean, std)
    mean = torch.tensor(mean, device=images.device).view(-1, 1, 1)
    std = torch.tensor(std, device=images.device).view(-1, 1, 1)
    return images.float().div_(255).sub_(mean).div_(std)


def fused_normalise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Cast and normalise [..., C, H, W] uint8 in one pass over memory: v / (255 std) - mean / std."""
    shift, scale = _affine(mean, std, images.device)
    return torch.addcmul(shift, images, scale)


@cache
def _affine(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Shift and scale, [C, 1, 1] each; made once, as a copy to a GPU waits for it."""
    scale = torch.tensor([1 / (255 * s) for s in std], device=device).view(-1, 1, 1)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=device).view(-1, 1, 1)
    return shift, scale
