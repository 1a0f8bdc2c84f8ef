"""Checks of claims on the bins of runs: Figs. 1 and 2."""

from itertools import pairwise

import numpy as np

from experiments import grid
from figures.claims.claim import Finding
from figures.claims.published import Pair, label, percent, record
from figures.pictures.curves import pair_name

SINGLE_GAMMAS = ("ce", "fl3", "fl4", "fl5")  # gamma 0, 3, 4 and 5, as in Fig. 1
RISING_GAMMAS = ("ce", "fl3", "fl5")  # as in Fig. 2


def _last_epoch(scale: str, pair: Pair, methods: tuple[str, ...], column: str) -> np.ndarray | None:
    """A column of bins.csv after the last epoch, seed 0, [methods, M]; None where a run is missing."""
    found = [record(scale, pair, name) for name in methods]
    if None in found or any(not (one.folder / "bins.csv").exists() for one in found):
        return None
    bins = [one.bins for one in found]
    return np.array([of[of["epoch"] == of["epoch"].max()].sort_values("bin")[column] for of in bins])


def no_single_gamma(scale: str) -> Finding:
    """No gamma of focal loss has the smallest |C_val - A_val| in every bin."""
    rows, held, cases = [], 0, 0
    pairs = grid.experiment("fig1", scale).pairs_at(scale)
    for pair in pairs:
        columns = [_last_epoch(scale, pair, SINGLE_GAMMAS, name) for name in ("val_confidence", "val_accuracy")]
        if columns[0] is None:
            continue
        gaps = np.abs(columns[0] - columns[1])  # [gammas, M]; bins of equal mass, so that their mean is ECE_EM
        best = np.nanargmin(gaps, axis=0)
        cases += 1
        held += len(set(best)) > 1
        shown = (f"{(best == i).sum()} ({percent([np.nanmean(gaps[i])])})" for i in range(len(SINGLE_GAMMAS)))
        rows.append([pair_name(pair), percent([np.nanmean(np.nanmin(gaps, axis=0))]), *shown])
    return Finding(held, cases, len(pairs), rows=rows)


def confidences_fall(scale: str) -> Finding:
    """In most bins C_train and C_val both fall as gamma rises from 0 to 3 to 5."""
    rows, held, cases = [], 0, 0
    pairs = grid.experiment("fig2", scale).pairs_at(scale)
    for pair in pairs:
        columns = [
            _last_epoch(scale, pair, RISING_GAMMAS, name) for name in ("train_true_confidence", "val_confidence")
        ]
        if columns[0] is None:
            continue
        falls = [np.all([above > below for above, below in pairwise(column)], axis=0) for column in columns]  # [M] each
        cases += 1
        held += (falls[0] & falls[1]).mean() > 0.5
        rows.append([pair_name(pair), str(len(falls[0])), *(str(int(falling.sum())) for falling in falls)])
    return Finding(held, cases, len(pairs), rows=rows)


GAMMA_COLUMNS = tuple(f"{label(name)}: bins (ECE_EM %)" for name in SINGLE_GAMMAS)
