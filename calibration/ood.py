"""The entropy of the softmax as the score of being out of distribution."""

import numpy as np
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from calibration.checks import as_scores


def entropy(logits) -> np.ndarray:
    """Entropy of the softmax, the score of being out of distribution.

    Args:
        logits: [N, K] floating point, tensor or array.

    Returns:
        [N] float64 in nats, in [0, log K].

    Raises:
        ValueError: not [N, K], empty, NaN or infinite.
    """
    logits = as_scores(logits)
    below = (logits.amax(dim=1, keepdim=True) - logits).clamp(max=1e3)  # d_k >= 0; exp(-1e3) is 0 already
    others = torch.exp(-below).scatter(1, logits.argmax(dim=1, keepdim=True), 0.0)
    rest = others.sum(dim=1)
    # log Z + sum_k d_k exp(-d_k) / Z with Z = 1 + rest, which orders samples whose top class rounds to p = 1, too
    return (torch.log1p(rest) + (others * below).sum(dim=1) / (1 + rest)).cpu().numpy()


def entropy_auroc(in_logits, ood_logits) -> float:
    """Area under the ROC curve of telling OOD samples, the positive class, by their higher softmax entropy.

    Args:
        in_logits: [N, K] of in-distribution samples, tensor or array.
        ood_logits: [M, K] of out-of-distribution samples.

    Returns:
        The probability that an OOD sample has more entropy than an in-distribution one, ties counting half; in [0, 1].

    Raises:
        ValueError: shapes other than [N, K] and [M, K] with one K, no samples, NaN or infinite logits.
    """
    return float(roc_auc_score(*_told_apart(in_logits, ood_logits)))


def roc(in_logits, ood_logits) -> tuple[np.ndarray, np.ndarray]:
    """The ROC curve of `entropy_auroc`: false and true positive rates, rising from (0, 0) to (1, 1).

    Raises:
        ValueError: as `entropy_auroc`.
    """
    fpr, tpr, _ = roc_curve(*_told_apart(in_logits, ood_logits))
    return fpr, tpr


def _told_apart(in_logits, ood_logits) -> tuple[np.ndarray, np.ndarray]:
    """Whether a sample is OOD, [N + M] bool, and its entropy, [N + M]."""
    scores = entropy(in_logits), entropy(ood_logits)
    if np.shape(in_logits)[1] != np.shape(ood_logits)[1]:
        raise ValueError(
            "in-distribution and OOD logits must have the same classes, got shapes "
            f"{tuple(np.shape(in_logits))} and {tuple(np.shape(ood_logits))}"
        )
    return np.repeat([False, True], [len(part) for part in scores]), np.concatenate(scores)
