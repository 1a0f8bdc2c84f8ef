"""How a run computes: precision, memory layout, compilation. Results depend on it by rounding only.

Images are channels-last. On a GPU, and for images on a CPU with AMX, the forward pass runs in bfloat16; parameters, the
loss, the optimizer and every score stay float32. All else computes in float32 alone. On a GPU the optimizer is one
fused kernel, and nothing within an epoch waits for the GPU.
"""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from experiments.training.distributed import ALONE, World

LAYOUT = torch.channels_last  # of images and convolutions: the faster one on every processor that was tried
PRECISIONS = ("auto", "float32", "tf32", "bf16")


@dataclass(frozen=True)
class Speed:
    """The choices of one run.

    Attributes:
        precision: "float32", "tf32" (matrix products of float32 in TF32; GPU only) or "bf16" (autocast).
        compiled: whether the model is compiled.
        device: "cpu" or "cuda".
        one_shape: whether nearly all batches have the same shape.
    """

    precision: str
    compiled: bool
    device: str
    one_shape: bool = True

    def autocast(self) -> AbstractContextManager:
        """The context of a forward pass, the loss aside."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16")

    def layout(self, model: nn.Module) -> nn.Module:
        """The model in the memory layout it trains in."""
        return model.to(memory_format=LAYOUT)

    def compile(self, model: nn.Module) -> nn.Module:
        """The model as steps call it; it shares its parameters with `model`.

        Images get a graph for each of their few shapes: at the first short batch torch would take a slower one for all
        shapes, and keep it.
        """
        return torch.compile(model, dynamic=False if self.one_shape else None) if self.compiled else model

    def inputs(self, inputs: Tensor) -> Tensor:
        """A batch's inputs in the model's layout."""
        images = isinstance(inputs, Tensor) and inputs.ndim == 4
        return inputs.contiguous(memory_format=LAYOUT) if images else inputs


def choose(
    precision: str,
    compiled: bool,
    device: torch.device,
    one_shape: bool = True,
    world: World = ALONE,
    deterministic: bool = False,
) -> Speed:
    """What a recipe's settings mean on a device; sets the process's switches for matrix products.

    Args:
        precision: one of `PRECISIONS`; "auto" is bf16 where the processor is faster in it, else float32.
        compiled: whether to compile the model.
        device: where it trains.
        one_shape: whether nearly all batches have the same shape, as images do: trying out algorithms pays.
        world: the processes of the run, which all take the precision that all have.
        deterministic: on a GPU, take no algorithm whose result depends on the order in which its threads finish;
            operations that have no other raise a RuntimeError that names them. Call it before CUDA's first product.

    Raises:
        ValueError: an unknown precision, or TF32 without a GPU.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    cuda = device.type == "cuda"
    if precision == "tf32" and not cuda:
        raise ValueError("precision tf32 needs a CUDA device")
    if precision == "auto":
        precision = "float32" if world.any(not _is_fast_in_bf16(device, one_shape)) else "bf16"
    if cuda:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.benchmark = one_shape and not deterministic
        torch.backends.cudnn.deterministic = deterministic
        torch.use_deterministic_algorithms(deterministic)
        if deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS otherwise varies, and torch refuses it
    return Speed(precision, compiled, device.type, one_shape)


def _is_fast_in_bf16(device: torch.device, one_shape: bool) -> bool:
    if device.type == "cuda":  # emulated, as on cards before Ampere, it is slower than float32
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Packed texts are slower in it, and so are images with the bf16 instructions of AVX-512 alone (docs/LOG.md).
    return one_shape and torch.backends.cpu.get_cpu_capability() == "AVX512" and torch.cpu._is_amx_tile_supported()


def to_cpu(*tensors: Tensor) -> list[Tensor]:
    """The tensors on the CPU; a GPU is waited for once."""
    copies = [tensor.to("cpu", non_blocking=True) for tensor in tensors]
    if any(tensor.is_cuda for tensor in tensors):
        torch.cuda.synchronize()
    return copies
