"""Logits of a split, and the scores of a finished run."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from calibration import summary
from experiments.training.distributed import ALONE, World
from experiments.training.precision import Speed
from posthoc import TemperatureScaling


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


def final_scores(
    logits: dict[str, Tensor], labels: dict[str, Tensor], num_bins: int, warn: Callable[[str], None]
) -> dict:
    """Every score before and after temperature scaling; T sees the validation set alone.

    Args:
        logits: "val" and "test", [N, K] float.
        labels: "val" and "test", [N] int64.
        num_bins: of the scores and of the temperature's ECE_EM.
        warn: gets what `TemperatureScaling` warns of.

    Returns:
        "temperature"; "val", "test", "val_scaled", "test_scaled", each a `calibration.summary`.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scaling = TemperatureScaling(num_bins).fit(logits["val"], labels["val"])
    for warning in caught:
        warn(str(warning.message))
    scores = {"temperature": scaling.temperature_}
    for suffix, of in (("", lambda values: values), ("_scaled", scaling.transform)):
        scores |= {name + suffix: summary(of(logits[name]), labels[name], num_bins) for name in logits}
    return scores
