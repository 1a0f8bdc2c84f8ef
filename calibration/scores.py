"""The table of scores, and all of them of one set of predictions at once.

A new score is a function and a line in `SCORES`: `summary`, the bootstrap, the audit, the report and the table `scores`
have it then.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from calibration.checks import as_labels, as_scores
from calibration.confidence import top_label
from calibration.ece import classwise_ece, ece_debias, ece_em, ece_ew, ece_sweep, mce
from calibration.proper import brier_score, nll
from calibration.refinement import losses
from calibration.smooth import smooth_ece


@dataclass(frozen=True)
class Unit:
    """How readers see a score.

    Attributes:
        symbol: behind its name; "" for none.
        factor: from the score to what is shown.
        digits: behind the point.
    """

    symbol: str
    factor: float
    digits: int

    def text(self, value: float) -> str:
        """A score as it is shown, without a sign where it rounds to 0."""
        return f"{self.factor * value:z.{self.digits}f}"


PERCENT, NATS, NUMBER = Unit("%", 100, 2), Unit("nats", 1, 4), Unit("", 1, 4)


@dataclass(frozen=True)
class Score:
    """A score of a set of predictions.

    Attributes:
        function: gives it; its arguments have the names of what it needs: of the top label confidence [N] and correct
            [N]; logits [N, K], labels [N], num_bins, from_logits; held_out, which gives `refinement.Losses`.
        label: what readers call it.
        unit: how they see it.
        each_epoch: whether a run has it in every row of its history; a slow one it has at the end alone.
    """

    function: Callable[..., float]
    label: str
    unit: Unit
    each_epoch: bool = True

    @property
    def header(self) -> str:
        """Label and unit."""
        return f"{self.label} ({self.unit.symbol})" if self.unit.symbol else self.label

    def of(self, predictions: dict) -> float:
        """The score of predictions, from which the arguments of `function` are taken by name."""
        names = inspect.signature(self.function).parameters
        return self.function(**{name: value for name, value in predictions.items() if name in names})


def error(correct) -> float:
    """Share of samples whose top label is wrong."""
    return float((~correct).mean())


def _part(held_out, score: str, part: int) -> float:
    """The calibration part (0) or the refinement part (1) of a proper score."""
    return held_out().parts(score)[part]


SCORES: dict[str, Score] = {
    "error": Score(error, "error", PERCENT),
    "nll": Score(nll, "NLL", NATS),
    "brier": Score(brier_score, "Brier score", NUMBER),
    "ece_ew": Score(ece_ew, "ECE_EW", PERCENT),
    "ece_em": Score(ece_em, "ECE_EM", PERCENT),
    "ece_debias": Score(ece_debias, "ECE_DEBIAS", PERCENT),
    "ece_sweep_ew": Score(partial(ece_sweep, binning="ew"), "ECE_SWEEP, equal width", PERCENT),
    "ece_sweep_em": Score(partial(ece_sweep, binning="em"), "ECE_SWEEP, equal mass", PERCENT),
    "smooth_ece": Score(smooth_ece, "smooth ECE", PERCENT),
    "mce": Score(mce, "MCE", PERCENT),
    "classwise_ece": Score(classwise_ece, "classwise ECE", PERCENT),
    "nll_calibration": Score(partial(_part, score="nll", part=0), "NLL, calibration part", NATS, False),
    "nll_refinement": Score(partial(_part, score="nll", part=1), "NLL, refinement part", NATS, False),
    "brier_calibration": Score(partial(_part, score="brier", part=0), "Brier, calibration part", NUMBER, False),
    "brier_refinement": Score(partial(_part, score="brier", part=1), "Brier, refinement part", NUMBER, False),
}


def summary(logits, labels, num_bins: int = 15, from_logits: bool = True) -> dict[str, float]:
    """Every score of one set of predictions.

    Args:
        logits: [N, K] floating point (probabilities with `from_logits=False`).
        labels: [N] integers in [0, K).
        num_bins: M, of all binned scores but the sweeps.
        from_logits: apply the softmax, in float64.

    Returns:
        A value for every key of `SCORES`: fractions in [0, 1], but NLL and its parts in nats, Brier's in [-2, 2].

    Raises:
        ValueError: as `top_label`.
    """
    predictions = predictions_of(logits, labels, num_bins, from_logits)
    return {name: score.of(predictions) for name, score in SCORES.items()}


def predictions_of(logits, labels, num_bins: int = 15, from_logits: bool = True) -> dict:
    """What `Score.of` takes. Arguments and errors as `summary`."""
    scores = as_scores(logits, from_logits)  # once: what is float64 on the right device already is not copied again
    labels = as_labels(labels, *scores.shape, device=scores.device)
    confidence, correct = top_label(scores, labels, from_logits)
    return {
        "confidence": confidence,
        "correct": correct,
        "logits": scores,
        "labels": labels,
        "num_bins": num_bins,
        "from_logits": from_logits,
        "held_out": cache(lambda: losses(scores, labels, from_logits=from_logits)),  # for all who ask
    }
