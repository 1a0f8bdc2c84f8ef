"""Scores and calibrators, beside the design's limits and beside what people use today."""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch

from calibration import bootstrap, classwise_ece, ece_debias, ece_em, ece_ew, ece_sweep
from experiments.bench.timing import Row, best_of
from posthoc import build


def outcomes(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Confidences of an over-confident model, and which predictions are right."""
    rng = np.random.default_rng(0)
    confidence = rng.beta(5, 1, n).clip(0.1, 1)
    return confidence, rng.random(n) < confidence - 0.05 * confidence * (1 - confidence)


def predictions(n: int, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Over-confident float32 logits [n, k], and labels."""
    rng = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(n, k, generator=rng)
    gumbel = -torch.log(-torch.log(torch.rand(n, k, generator=rng).clamp(1e-9, 1 - 1e-7)))
    return 2 * logits, (logits + gumbel).argmax(1)


def four_eces(confidence: np.ndarray, correct: np.ndarray) -> None:
    """ECE by equal width and equal mass, debiased, and by sweep."""
    ece_ew(confidence, correct)
    ece_em(confidence, correct)
    ece_debias(confidence, correct)
    ece_sweep(confidence, correct, "em")


def rows(large: bool) -> Iterator[Row]:
    """Seconds, against the design's limits, of what works on the predictions of a test set."""
    million, few, some = outcomes(1_000_000), predictions(5000, 100), predictions(100_000, 10)
    timed: list[tuple[str, Callable[[], object], float | None, int]] = [
        ("four ECEs of 1,000,000 samples", lambda: four_eces(*million), 0.5, 3),
        ("classwise ECE of 100,000 x 10", lambda: classwise_ece(*some), 0.025, 5),
        ("bootstrap of all scores, 1,000 x (10,000 x 10)", lambda: bootstrap(*(a[:10_000] for a in some)), None, 1),
        ("temperature grid on 5,000 x 100", lambda: build("ts").fit(*few), 0.25, 3),
        ("spline on 5,000 x 100", lambda: build("spline").fit(*few), 0.006, 5),
        *((f"{name} on 5,000 x 100", lambda name=name: build(name).fit(*few), None, 1)
          for name in ("ts-nll", "ets", "histogram", "isotonic", "vector", "dirichlet")),
    ]  # fmt: skip
    if large:
        many = predictions(50_000, 1000)
        timed += [
            ("ETS on 50,000 x 1,000", lambda: build("ets").fit(*many), 4.0, 1),
            ("temperature grid on 50,000 x 1,000", lambda: build("ts").fit(*many), 20.0, 1),
        ]
    for what, function, limit, repeats in timed:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            seconds = best_of(function, repeats)
        against = "limit of the design" if limit else ""
        yield Row("scores and calibrators", what, seconds, against, limit, limit and 1.0)
