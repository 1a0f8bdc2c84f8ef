"""Proper scores of predictions."""

import torch

from calibration.checks import as_labels, as_scores
from calibration.confidence import softmax


def nll(logits, labels, from_logits: bool = True) -> float:
    """Mean negative log-likelihood of the labels, in nats.

    Args:
        logits: [N, K] floating point (probabilities with `from_logits=False`); a label of logit -inf or probability 0
            gives infinity.
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
    loss = torch.logsumexp(scores, dim=1) - own if from_logits else -own.log()
    return max(0.0, float(loss.mean()))  # nor -0.0


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
