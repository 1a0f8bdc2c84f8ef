"""What an epoch accumulates, and the rows it adds to a run's record."""

import time

import numpy as np
import torch
from torch import Tensor

from calibration import SCORES, BinStats, bin_stats, equal_mass_edges, top_label
from calibration.scores import predictions_of


class PartialEpoch:
    """The state of an epoch that has begun.

    Attributes:
        steps: steps taken.
        total: scalar, sum of the losses of the samples met, in nats.
        seen: confidence of the training samples as the steps met them.
        elapsed: seconds spent on it, before an interruption and since.
    """

    def __init__(self, num_samples: int, device: torch.device):
        self.steps = 0
        self._before, self._since = 0.0, time.monotonic()
        self.total = torch.zeros((), device=device, dtype=torch.float64)
        self.seen = TrainingConfidence(num_samples, device)

    @property
    def elapsed(self) -> float:
        """Seconds."""
        return self._before + time.monotonic() - self._since

    def state(self) -> dict:
        """For a checkpoint."""
        tensors = {"total": self.total, "p_true": self.seen.p_true, "p_top": self.seen.p_top}
        return {"steps": self.steps, "seconds": self.elapsed, **tensors}

    def restore(self, state: dict) -> None:
        """What `state` gave."""
        self.steps, self._before, self._since = state["steps"], state["seconds"], time.monotonic()
        for name, tensor in (("total", self.total), ("p_true", self.seen.p_true), ("p_top", self.seen.p_top)):
            tensor.copy_(state[name])


class TrainingConfidence:
    """The model's confidence in each training sample at the step that used it.

    Attributes:
        p_true: [N] float32, probability of the true class; NaN for a sample that no step has met.
        p_top: [N] float32, probability of the predicted class; NaN likewise.
    """

    def __init__(self, num_samples: int, device: torch.device):
        self.p_true = torch.full((num_samples,), torch.nan, device=device)
        self.p_top = torch.full((num_samples,), torch.nan, device=device)

    @torch.no_grad()
    def add(self, index: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Keep a batch: index [B] of the samples, logits [B, K], labels [B]. Waits for no device."""
        p = torch.softmax(logits.float(), dim=1)
        self.p_true[index] = p.gather(1, labels[:, None])[:, 0]
        self.p_top[index] = p.amax(dim=1)


def epoch_scores(prefix: str, logits: Tensor, labels: Tensor, num_bins: int) -> dict[str, float]:
    """The scores of a split that are quick enough, as columns of `history.csv`."""
    predictions = predictions_of(logits, labels, num_bins)
    return {f"{prefix}_{name}": score.of(predictions) for name, score in SCORES.items() if score.each_epoch}


def bin_rows(
    epoch: int,
    logits: Tensor,
    labels: Tensor,
    p_true: Tensor,
    p_top: Tensor,
    gammas: Tensor | None,
    num_bins: int,
    edges: np.ndarray | None = None,
) -> list[dict]:
    """The rows of `bins.csv` for one epoch, one a bin.

    The columns val_lower, val_upper, val_count, val_confidence (C_val) and val_accuracy (A_val) are of the validation
    set's equal-mass bins. Where gamma moves within epochs, its bins are those between the loss's own `edges`. gamma is
    the one after the epoch's last update, empty for losses without one a bin.

    train_true_count and train_true_confidence (C_train of the true class) are of the epoch's training samples in those
    same bins, train_top_... of the top class; each sample is binned by the probability that is averaged.
    own_true_lower, ... and own_top_lower, ... are of equal-mass bins of the training samples' own. Accuracy in the
    "true" columns has no meaning and is left out.
    """
    confidence, correct = top_label(logits, labels)
    val = bin_stats(confidence, correct, equal_mass_edges(confidence, num_bins) if edges is None else edges)
    columns = {f"val_{name}": getattr(val, name) for name in ("lower", "upper", "count", "confidence", "accuracy")}
    columns["gamma"] = np.full(num_bins, np.nan) if gammas is None else gammas.double().cpu().numpy()
    for name, p in (("true", p_true), ("top", p_top)):
        p = p[~p.isnan()].double().cpu().numpy()
        common, own = _means(p, val.edges), _means(p, equal_mass_edges(p, num_bins))
        columns |= {f"train_{name}_{what}": getattr(common, what) for what in ("count", "confidence")}
        columns |= {f"own_{name}_{what}": getattr(own, what) for what in ("lower", "upper", "count", "confidence")}
    return [
        {"epoch": epoch, "bin": b} | {name: values[b].item() for name, values in columns.items()}
        for b in range(num_bins)
    ]


def _means(p: np.ndarray, edges: np.ndarray) -> BinStats:
    """Count and mean of p in bins; there is no accuracy to speak of."""
    return bin_stats(p.clip(0, 1), np.zeros(len(p), dtype=bool), edges)
