"""Prediction sets and limits the calibration tests share."""

import signal
from contextlib import contextmanager

import numpy as np
from hypothesis import strategies as st

from calibration import ece_debias, ece_em, ece_ew, ece_sweep, mce
from tests.support.waiting import HANGS

SCORES = {
    "ece_ew": ece_ew,
    "ece_em": ece_em,
    "ece_debias": ece_debias,
    "ece_sweep_em": lambda confidence, correct: ece_sweep(confidence, correct, binning="em"),
    "ece_sweep_ew": lambda confidence, correct: ece_sweep(confidence, correct, binning="ew"),
    "mce": mce,
}
EDGE_VALUES = [0.0, 1.0, 1 - 2**-53, 2**-53, 0.5, 0.7, *(k / 15 for k in range(16))]


def predictions(max_size=60):
    """Lists of (confidence, correct): arbitrary confidences, bin edges and ties."""
    value = st.one_of(st.sampled_from(EDGE_VALUES), st.floats(0, 1))
    return st.lists(st.tuples(value, st.booleans()), min_size=1, max_size=max_size)


def unzip(pairs):
    return np.array([c for c, _ in pairs], dtype=np.float64), np.array([a for _, a in pairs], dtype=bool)


def random_predictions(n, seed=0, sharpness=1.0):
    """Tie-free confidences in [0, 1]; right with probability confidence ** sharpness."""
    rng = np.random.default_rng(seed)
    confidence = rng.random(n)
    return confidence, rng.random(n) < confidence**sharpness


def random_logits(n, k, seed=0, scale=2.0):
    rng = np.random.default_rng(seed)
    return scale * rng.standard_normal((n, k)), rng.integers(0, k, n)


@contextmanager
def time_limit(seconds=HANGS):
    """Fails a computation that would run for hours instead of letting the suite hang; generous, not a benchmark."""

    def stop(signum, frame):
        raise AssertionError(f"took more than {seconds} s")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
