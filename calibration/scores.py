"""Proper scores, and all scores of one set of predictions at once."""

import torch

from calibration.checks import as_labels, as_scores
from calibration.confidence import softmax, top_label
from calibration.ece import classwise_ece, ece_debias, ece_em, ece_ew, ece_sweep, mce


def nll(logits, labels, from_logits: bool = True) -> float:
    """Mean negative log-likelihood of the labels, in nats.

    Args:
        logits: [N, K] floating point (probabilities with `from_logits=False`; a label of probability 0 gives infinity).
        labels: [N] integers in [0, K).
        from_logits: apply the softmax, in float64.

    Returns:
        Nats, >= 0.

    Raises:
        ValueError: as `top_label`.
    """
    scores = as_scores(logits, from_logits)
    labels = as_labels(labels, *scores.shape, device=scores.device)
    own = scores.gather(1, labels[:, None])[:, 0]
    return float((torch.logsumexp(scores, dim=1) - own).mean() if from_logits else -own.log().mean())


def brier_score(logits, labels, from_logits: bool = True) -> float:
    """Brier score: squared error of the probabilities, summed over classes, mean over samples (Brier 1950).

    Args:
        logits: [N, K] floating point (probabilities with `from_logits=False`).
        labels: [N] integers in [0, K).
        from_logits: apply the softmax, in float64.

    Returns:
        Number in [0, 2].

    Raises:
        ValueError: as `top_label`.
    """
    scores = as_scores(logits, from_logits)
    labels = as_labels(labels, *scores.shape, device=scores.device)
    error = softmax(scores) if from_logits else scores.clone()
    error[torch.arange(len(labels), device=error.device), labels] -= 1
    return float(error.square().sum(dim=1).mean())


def summary(logits, labels, num_bins: int = 15, from_logits: bool = True) -> dict[str, float]:
    """Every score of one set of predictions.

    Args:
        logits: [N, K] floating point (probabilities with `from_logits=False`).
        labels: [N] integers in [0, K).
        num_bins: M, of all binned scores but the sweeps.
        from_logits: apply the softmax, in float64.

    Returns:
        error, nll (nats), brier (in [0, 2]), ece_ew, ece_em, ece_debias, ece_sweep_ew, ece_sweep_em, mce and
        classwise_ece; all but nll and brier are fractions in [0, 1].

    Raises:
        ValueError: as `top_label`.
    """
    confidence, correct = top_label(logits, labels, from_logits)
    return {
        "error": float((~correct).mean()),
        "nll": nll(logits, labels, from_logits),
        "brier": brier_score(logits, labels, from_logits),
        "ece_ew": ece_ew(confidence, correct, num_bins),
        "ece_em": ece_em(confidence, correct, num_bins),
        "ece_debias": ece_debias(confidence, correct, num_bins),
        "ece_sweep_ew": ece_sweep(confidence, correct, "ew"),
        "ece_sweep_em": ece_sweep(confidence, correct, "em"),
        "mce": mce(confidence, correct, num_bins),
        "classwise_ece": classwise_ece(logits, labels, num_bins, from_logits),
    }
