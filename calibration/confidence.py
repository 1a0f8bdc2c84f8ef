"""From logits to the confidence of the predicted class, always in float64."""

import numpy as np
import torch

from calibration.checks import as_labels, as_logits, as_scores

FEW = 64  # classes, below which columns are faster than rows
CHUNK_BYTES = 1 << 19  # the part of a [N, K] float64 array worked on at a time: twice that fits a core's cache


def softmax(logits: torch.Tensor) -> torch.Tensor:
    """[N, K] probabilities of [N, K] float64 logits."""
    if logits.shape[1] > FEW:
        return torch.softmax(logits, dim=1)
    p = logits.T.clone(memory_format=torch.contiguous_format)  # torch's softmax takes thrice as long over short rows
    p = p.sub_(p.amax(dim=0)).exp_()
    return p.div_(p.sum(dim=0)).T.contiguous()


def top_confidence(logits: torch.Tensor, temperatures=(1.0,)) -> np.ndarray:
    """Softmax probability of the highest logit at several temperatures at once: `top_class` without the class."""
    return top_class(logits, temperatures)[0]


def top_class(logits: torch.Tensor, temperatures=(1.0,)) -> tuple[np.ndarray, torch.Tensor]:
    """Softmax probability of the highest logit at several temperatures at once, and its class.

    max_k softmax(z / T)_k = 1 / sum_k exp((z_k - max z) / T), so no softmax over [N, K] is ever stored: the rows are
    taken in chunks that stay in cache while every temperature passes over them.

    Args:
        logits: [N, K] of any float type, finite or -inf, one finite in every row.
        temperatures: the R temperatures, each > 0.

    Returns:
        [R, N] float64 in [1/K, 1], and [N] int64, the first class of equal highest logits.
    """
    n, k = logits.shape
    confidence = torch.empty(len(temperatures), n, dtype=torch.float64, device=logits.device)
    predicted = torch.empty(n, dtype=torch.int64, device=logits.device)
    rows = n if logits.is_cuda and len(temperatures) == 1 else max(1, CHUNK_BYTES // (8 * k))
    for begin in range(0, n, rows):
        chunk = logits[begin : begin + rows].double()
        top, predicted[begin : begin + rows] = chunk.max(dim=1)
        margin = chunk - top[:, None]  # [n, K], <= 0
        scaled = torch.empty_like(margin)
        for r, temperature in enumerate(temperatures):
            torch.mul(margin, 1.0 / temperature, out=scaled)
            confidence[r, begin : begin + rows] = scaled.exp_().sum(dim=1).reciprocal_()
    return confidence.cpu().numpy(), predicted


def top_label(logits, labels, from_logits: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Confidence of the predicted class, and whether the prediction is right.

    Args:
        logits: [N, K] floating point array or tensor of any device (probabilities with `from_logits=False`; the two are
            never told apart by looking at the values).
        labels: [N] integers in [0, K).
        from_logits: apply the softmax, in float64.

    Returns:
        confidence [N] float64 in [1/K, 1] and correct [N] bool. Of equal highest logits the first class is predicted.

    Raises:
        ValueError: shapes that disagree, NaN or infinite logits (-inf is taken, for a class that a sample cannot have),
            labels that are no integers in [0, K); see `checks` for the forms of labels and probabilities taken.
    """
    scores = as_logits(logits) if from_logits else as_scores(logits, from_logits=False)
    labels = as_labels(labels, *scores.shape, device=scores.device)
    if from_logits:
        (confidence,), predicted = top_class(scores)
    else:
        top, predicted = scores.max(dim=1)
        confidence = top.clamp(max=1.0).cpu().numpy()
    return confidence, (predicted == labels).cpu().numpy()
