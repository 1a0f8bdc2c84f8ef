"""Logits of a split."""

import torch
from torch import Tensor, nn

from experiments.distributed import ALONE, World
from experiments.speed import Speed


@torch.no_grad()
def predict(model: nn.Module, split, batch_size: int, world: World = ALONE, speed: Speed | None = None) -> Tensor:
    """[N, K] float32 logits of a split, in its order, with the model in eval mode.

    The model is left in the mode it was found in. Batches may come in any order (texts come by length). Several
    processes compute a part each, and all get all of it, the same to the last bit.
    """
    training = model.training
    model.eval()
    world.same_buffers(model)
    try:
        logits = None
        for batch in split.eval_batches(batch_size, world.part):
            if speed:
                with speed.autocast():
                    part = model(speed.inputs(batch.inputs)).float()
            else:
                part = model(batch.inputs).float()
            logits = part.new_zeros(len(split), part.shape[1]) if logits is None else logits
            logits[batch.index] = part
        return logits if world.size == 1 else _add_up(logits, split, world)
    finally:
        model.train(training)


def _add_up(logits: Tensor | None, split, world: World) -> Tensor:
    """The rows of all processes; one that had no batch has no logits."""
    classes = max(map(int, world.all_of(torch.tensor([0 if logits is None else logits.shape[1]]))))
    return world.add_up(torch.zeros(len(split), classes, device=split.device) if logits is None else logits)
