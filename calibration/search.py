"""The temperature with the lowest proper score, by a bounded search."""

import math
import warnings

import numpy as np
import torch
from scipy.optimize import minimize_scalar

BOUNDS = (0.02, 50.0)  # T; a validation set without a wrong (or right) prediction has its best T at one of them
STEPS = {"nll": 2, "squared": 8}  # of a first look
LOWEST = -300.0  # exp of it is nothing beside 1, and its square no denormal: those are ten times slower
PART = 5000  # samples that the first look takes
CHUNK = 2**16  # elements worked on at a time: fits a core's cache


def best_temperature(logits: torch.Tensor, labels: torch.Tensor, loss: str) -> float:
    """T > 0 that minimises the mean score of softmax(z / T) over samples.

    NLL has one minimum in log T. The squared error can have several: found is the lowest near the best of `STEPS` + 1
    temperatures.

    Args:
        logits: [N, K] float64, finite or -inf; of a label finite if the loss is "nll".
        labels: [N] int64 in [0, K).
        loss: "nll", or "squared" for the squared error summed over classes.

    Returns:
        T within `BOUNDS`; 1 where no T is better, or there is no sample. Warns (RuntimeWarning) where a bound is as
        good as any T.
    """
    if len(logits) == 0:
        return 1.0
    margin = logits - logits.amax(dim=1, keepdim=True)  # [N, K], <= 0
    score = {"nll": _nll, "squared": _squared}[loss]
    low, high = map(math.log, BOUNDS)

    def mean(log_temperature: float, margin=margin, labels=labels) -> float:
        return _mean(score, margin, labels, math.exp(log_temperature))

    sets = [(margin, labels)]
    if len(margin) > PART:  # some tell where to search; all, should these mislead
        some = torch.randperm(len(margin), generator=torch.Generator().manual_seed(0))[:PART].to(margin.device)
        sets.insert(0, (margin[some], labels[some]))
    look, last = np.linspace(low, high, STEPS[loss] + 1), STEPS[loss]  # T = 1 is its middle
    for part in sets:
        best = int(np.argmin([mean(x, *part) for x in look]))
        around = look[max(best - 1, 0)], look[min(best + 1, last)]
        found = minimize_scalar(mean, bounds=around, method="bounded", options={"xatol": 1e-5})
        if min(found.x - around[0], around[1] - found.x) > 1e-3:
            break
    at_low, at_one, at_high = (mean(look[i]) for i in (0, last // 2, last))
    if at_one <= found.fun:  # saturated or uniform probabilities: nothing tells the temperatures apart
        return 1.0
    temperature = math.exp(found.x)
    if min(found.x - low, high - found.x) < 1e-3 or min(at_low, at_high) <= found.fun:
        warnings.warn(
            f"temperature {temperature:.4g} lies at a bound of the search {BOUNDS}: the best one may lie beyond it",
            RuntimeWarning,
            stacklevel=3,
        )
    return temperature


def _mean(score, margin: torch.Tensor, labels: torch.Tensor, temperature: float) -> float:
    n, k = margin.shape
    total = torch.zeros((), dtype=torch.float64, device=margin.device)
    rows = n if margin.is_cuda else max(1, CHUNK // k)
    for begin in range(0, n, rows):
        part = margin[begin : begin + rows] * (1 / temperature)
        total += score(part, labels[begin : begin + rows, None]).sum()
    return total.item() / n


def _nll(scaled: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    own = scaled.gather(1, own)[:, 0]
    return scaled.clamp_(min=LOWEST).exp_().sum(dim=1).log_() - own


def _squared(scaled: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """1 - 2 p_y + sum of p squared, with p = e / s."""
    e = scaled.clamp_(min=LOWEST).exp_()
    s = e.sum(dim=1)
    return 1 + (torch.linalg.vecdot(e, e) / s - 2 * e.gather(1, own)[:, 0]) / s
