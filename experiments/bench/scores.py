"""Scores and calibrators against their bare forms."""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch

from calibration import bootstrap, classwise_ece, ece_debias, ece_em, ece_ew, ece_sweep, top_label
from experiments.bench import bare
from experiments.bench.timing import Row, best_of, side_by_side
from posthoc import SplineCalibration, build


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


def four_eces(confidence: np.ndarray, correct: np.ndarray) -> list[float]:
    """ECE by equal width and equal mass, debiased, and by sweep."""
    return [score(confidence, correct) for score in (ece_ew, ece_em, ece_debias, ece_sweep)]


def compared(large: bool) -> Iterator[tuple[str, Callable[[], object], Callable[[], object], float, int]]:
    """What, ours, its bare form, the ratio that the design allows, and turns."""
    million, few, some = outcomes(1_000_000), predictions(5000, 100), predictions(100_000, 10)
    of_few = top_label(*few)
    yield "four ECEs of 1,000,000 samples", lambda: four_eces(*million), lambda: bare.four_eces(*million), 1.1, 5
    yield "ECE_EW of 1,000,000 samples", lambda: ece_ew(*million), lambda: bare.ece_ew(*million), 1.5, 25
    yield "classwise ECE of 100,000 x 10", lambda: classwise_ece(*some), lambda: bare.classwise_ece(*some), 1.5, 25
    yield "temperature grid on 5,000 x 100", lambda: build("ts").fit(*few), lambda: bare.temperature(*few), 1.0, 15
    yield (
        "spline on 5,000 confidences",
        lambda: SplineCalibration().fit_confidence(*of_few),
        lambda: bare.spline(*of_few),
        2.0,
        51,
    )
    if large:
        many = predictions(50_000, 1000)
        yield (
            "spline on 50,000 x 1,000 (bare: a pass over them)",
            lambda: build("spline").fit(*many),
            lambda: bare.one_pass(many[0]),
            2.0,
            3,
        )
        yield "ETS on 50,000 x 1,000", lambda: build("ets").fit(*many), lambda: bare.ets(*many), 1.2, 3
        yield (
            "temperature grid on 50,000 x 1,000",
            lambda: build("ts").fit(*many),
            lambda: bare.temperature(*many),
            1.1,
            1,
        )


def rows(large: bool) -> Iterator[Row]:
    """What works on the predictions of a test set, against its bare form; then seconds of what has no limit."""
    group = "scores and calibrators"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for what, ours, theirs, limit, turns in compared(large):
            seconds, other = side_by_side(ours, theirs, turns)
            yield Row(group, what, seconds, "its bare form", other, limit)
        few, some = predictions(5000, 100), predictions(10_000, 10)
        yield Row(group, "bootstrap of all scores, 1,000 x (10,000 x 10)", best_of(lambda: bootstrap(*some), 1))
        for name in ("ts-nll", "ets", "histogram", "isotonic", "vector", "dirichlet"):
            yield Row(group, f"{name} on 5,000 x 100", best_of(lambda name=name: build(name).fit(*few), 1))
