"""Several processes on one run, started by `torchrun`: each computes a share of a batch, all get all logits.

A step's logits are gathered, and every process computes the loss of the whole batch from them. So no loss needs to be
a sum over samples: MMCE compares pairs of them. Gamma, edges and the epoch's totals are the same everywhere without
further exchange. With one process every function here does nothing.
"""

import os
import sys
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from data.splits.split import is_shared, share


@dataclass(frozen=True)
class World:
    """This process among those of the run.

    Attributes:
        rank: its number; the one with 0 alone writes.
        size: how many there are.
        local_rank: its number on this machine, which is its GPU's.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def writes(self) -> bool:
        """Whether this process writes the record."""
        return self.rank == 0

    @property
    def part(self) -> tuple[int, int]:
        """(rank, size)."""
        return self.rank, self.size

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process. Waits for the other processes, not for a GPU."""
        if self.size == 1:
            return flag
        flags = torch.tensor([int(flag)])
        dist.all_reduce(flags, dist.ReduceOp.MAX, group=_control)
        return bool(flags)

    def agreed(self, thing: Any) -> Any:
        """What the process with rank 0 passes, in every process: anything that can be pickled."""
        if self.size == 1:
            return thing
        things = [thing]
        dist.broadcast_object_list(things, src=0, group=_control)
        return things[0]

    def all_of(self, tensor: Tensor) -> list[Tensor]:
        """A CPU tensor of every process, in the order of ranks; all have one shape."""
        if self.size == 1:
            return [tensor]
        tensors = [torch.empty_like(tensor) for _ in range(self.size)]
        dist.all_gather(tensors, tensor, group=_control)
        return tensors

    def add_up(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def same_buffers(self, model: nn.Module) -> None:
        """Give every process the buffers of rank 0: without synchronised batch normalisation each has its own."""
        if self.size == 1:
            return
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for buffer in model.buffers():
            by_type.setdefault(buffer.dtype, []).append(buffer)
        for buffers in by_type.values():  # one message a type: ResNet-50 has 159 buffers
            flat = torch.cat([buffer.flatten() for buffer in buffers])
            dist.broadcast(flat, src=0)
            for buffer, part in zip(buffers, flat.split([buffer.numel() for buffer in buffers]), strict=True):
                buffer.copy_(part.view_as(buffer))

    def sync_batch_norm(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The model with the whole batch's statistics in its batch normalisation.

        Every such layer then waits for all processes twice a step, forward and backward: 106 times for ResNet-50.

        Raises:
            ValueError: several processes without GPUs, for which torch has none.
        """
        if self.size > 1 and device.type != "cuda":
            raise ValueError("sync_batch_norm with several processes needs GPUs: torch cannot do it on the CPU")
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)

    def wrap(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The model as its training steps call it; its buffers stay each process's own until `same_buffers`."""
        if self.size == 1:
            return model
        ids = [device.index] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(model, device_ids=ids, broadcast_buffers=False)

    def whole_batch(self, logits: Tensor, index: Tensor, labels: Tensor, batch_size: int) -> tuple[Tensor, ...]:
        """Logits, index and labels of the whole batch, from this process's share of it.

        Args:
            logits: [B_rank, K], may need gradients.
            index: [B_rank] int64.
            labels: [B_rank] int64.
            batch_size: B of the whole batch.

        Returns:
            [B, K], [B], [B], in the batch's order.
        """
        if not is_shared(batch_size, self.size):
            return logits, index, labels
        numbers = _gather(torch.stack([index, labels], dim=1), batch_size, self)
        return _Gather.apply(logits, batch_size, self), numbers[:, 0], numbers[:, 1]


ALONE = World()
_control: dist.ProcessGroup | None = None  # small messages that shall not wait for a GPU


def start(device: str) -> World:
    """Join the processes that `torchrun` started; without it this process is alone.

    Args:
        device: "cpu" or "cuda"; "cuda:N" only for a process alone.

    Raises:
        ValueError: more processes here than GPUs, or one GPU for all of them.
    """
    global _control
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ALONE
    if ":" in device:
        raise ValueError(f"--device {device}: torchrun gives every process a GPU of its own; use --device cuda")
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if device == "cuda" and here > (gpus := torch.cuda.device_count()):
        raise ValueError(
            f"torchrun started {here} processes here, but torch sees {gpus} GPUs (sbatch --gres=gpu:{here})"
        )
    world = World(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_RANK"]))
    if not dist.is_initialized():
        if device == "cuda":
            torch.cuda.set_device(world.local_rank)
        dist.init_process_group("nccl" if device == "cuda" else "gloo")
    _control = dist.new_group(backend="gloo")
    return world


def stop() -> None:
    """Leave the other processes, and end the threads that carried messages to them.

    Such a thread needs the interpreter's lock to drop the tensor of its last message. If the interpreter ends while it
    waits, the process aborts (https://github.com/pytorch/pytorch/issues/190489), and a finished run counts as failed.
    """
    global _control
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
    _control = None  # its last reference: this waits for its threads


def abandon(status: int) -> int:
    """The exit status of an error: one of several processes ends with it here and now.

    The others may be waiting for it in a collective operation; NCCL's way to leave in order would wait for them.
    """
    if dist.is_available() and dist.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _gather(local: Tensor, batch_size: int, world: World) -> Tensor:
    """[B_rank, ...] of every process as [B, ...]."""
    parts = [share(slice(0, batch_size), (rank, world.size)) for rank in range(world.size)]
    sizes = [part.stop - part.start for part in parts]
    padded = local.new_zeros(max(sizes), *local.shape[1:])
    padded[: len(local)] = local
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


class _Gather(torch.autograd.Function):
    """`_gather` with a gradient.

    Every process has the loss of the whole batch, so its gradient is complete; it is multiplied by the number of
    processes because DistributedDataParallel takes the mean of theirs where their sum is meant.
    """

    @staticmethod
    def forward(ctx, logits: Tensor, batch_size: int, world: World) -> Tensor:
        ctx.rows, ctx.size = share(slice(0, batch_size), world.part), world.size
        return _gather(logits, batch_size, world)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient[ctx.rows] * ctx.size, None, None
