"""Random crops and flips of a whole batch at once, equal to torchvision's transforms sample by sample."""

import torch
import torch.nn.functional as F
from torch import Tensor

from data.splits.split import generator


class Draws:
    """The augmentation draws of one epoch, one row a sample.

    Attributes:
        offsets: [N, 2] int64 in [0, 2 padding], the crop's top and left in the padded image.
        flips: [N] bool, true where the crop is mirrored.
    """

    def __init__(self, num_samples: int, padding: int, flip: bool, seed: int, epoch: int, device: torch.device):
        offsets = torch.randint(0, 2 * padding + 1, (num_samples, 2), generator=generator(seed, epoch, stream=1))
        flips = torch.rand(num_samples, generator=generator(seed, epoch, stream=2)) < 0.5
        self.padding, self.flip = padding, flip
        self.offsets, self.flips = offsets.to(device), flips.to(device)

    def apply(self, images: Tensor, index: Tensor) -> Tensor:
        """[B, C, H, W] uint8 images of the samples `index` [B] -> the same shape, cropped and flipped."""
        if self.padding:
            images = crop(images, self.offsets[index], self.padding)
        if self.flip:
            images = mirror(images, self.flips[index])
        return images


def crop(images: Tensor, offsets: Tensor, padding: int) -> Tensor:
    """Crop every image at its own place out of itself padded with zeros.

    Args:
        images: [B, C, H, W] uint8; zeros are black before normalisation, as in torchvision's RandomCrop.
        offsets: [B, 2] int64 in [0, 2 padding], top and left.
        padding: pixels on every side, >= 0.

    Returns:
        [B, C, H, W] uint8.
    """
    height, width = images.shape[2:]
    padded = F.pad(images, (padding, padding, padding, padding))
    # A view of every possible crop, [B, C, 2 padding + 1, 2 padding + 1, H, W]: indexing it copies whole rows.
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    batch = torch.arange(len(images), device=images.device)
    return windows[batch, :, offsets[:, 0], offsets[:, 1]]


def mirror(images: Tensor, flips: Tensor) -> Tensor:
    """[B, C, H, W] uint8 images, left and right exchanged where `flips` [B] bool is true."""
    # a ^ ((a ^ b) & mask) selects between bytes six times faster than torch.where with a mask it has to broadcast.
    mask = flips.view(-1, 1, 1, 1).to(torch.uint8).mul_(255)
    return images.flip(3).bitwise_xor_(images).bitwise_and_(mask).bitwise_xor_(images)
