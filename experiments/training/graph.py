"""The whole step of a net on images as one CUDA graph: a net of many small layers else waits for its launches."""

from collections.abc import Callable

import torch
from torch import Tensor

from data.splits.split import Batch
from experiments.recipes import Recipe
from experiments.training.distributed import World

WARM = 3  # steps taken as usual first: they choose algorithms and make the optimizer's state


def check(recipe: Recipe, device: torch.device, images: bool, world: World) -> None:
    """Refuse what cannot be captured.

    Raises:
        ValueError: no GPU or several processes, texts, another optimizer than SGD, or a compiled net.
    """
    wants = {
        "a CUDA device": device.type == "cuda",
        "one process": world.size == 1,
        "images": images,
        "optimizer=sgd": recipe.optimizer == "sgd",
        "compile=false": not recipe.compile,
    }
    if lacking := [what for what, there in wants.items() if not there]:
        raise ValueError(f"cuda_graph needs {', '.join(lacking)}")


def capture(step: Callable[[], tuple[Tensor, ...]]) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
    """A function that repeats `step` on the GPU, on the same tensors, and the tensors that get its results."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = step()
    return graph.replay, results


class GraphedStep:
    """Training steps: the first few and batches of another size as usual, all others as replays of one graph.

    The optimizer's learning rate becomes a tensor, which `set_learning_rate` writes to.

    Args:
        step: takes a batch through the net, the loss and the optimizer; what it returns shall need no gradient.
        optimizer: whose gradients and learning rate the graph holds.
        batch_size: of the batches that are replayed.
    """

    def __init__(self, step: Callable[[Batch], tuple[Tensor, ...]], optimizer: torch.optim.Optimizer, batch_size: int):
        self.step, self.optimizer, self.batch_size = step, optimizer, batch_size
        self._taken = 0
        self._batch: Batch | None = None  # what the graph reads
        self._replay, self._results = None, None

    def __call__(self, batch: Batch) -> tuple[Tensor, ...]:
        """Take a step; what `step` returns, which holds until the next one."""
        if len(batch.labels) != self.batch_size:
            return self.step(batch)
        if self._taken < WARM:
            self._taken += 1
            return _on_another_stream(self.step, batch)
        if self._replay is None:
            self._capture(batch)
        for mine, new in zip(self._batch, batch, strict=True):
            mine.copy_(new)
        self._replay()
        return self._results

    def _capture(self, batch: Batch) -> None:
        self._batch = Batch(*(value.clone() for value in batch))
        for group in self.optimizer.param_groups:
            group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=batch.labels.device)
        self.optimizer.zero_grad(set_to_none=True)  # the graph has gradients of its own
        self._replay, self._results = capture(lambda: self.step(self._batch))


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set it in every group, in the tensor that a graph reads where there is one."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr


def _on_another_stream(step: Callable[[Batch], tuple[Tensor, ...]], batch: Batch) -> tuple[Tensor, ...]:
    """As CUDA wants what is captured later to have run before."""
    if not batch.labels.is_cuda:
        return step(batch)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        results = step(batch)
    torch.cuda.current_stream().wait_stream(stream)
    return results
