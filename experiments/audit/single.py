"""The report on one file: scores with intervals, what calibrators make of them, reliability diagrams."""

import warnings
from collections.abc import Iterator
from functools import partial

import numpy as np
from tqdm import tqdm

from calibration import SCORES, Interval, bootstrap, nll, top_label
from calibration.ece import ece_em
from experiments.audit import page
from experiments.audit.read import choose, load
from experiments.records import files
from experiments.records.predictions import Predictions
from posthoc import CALIBRATORS, build
from posthoc.affine import MAX_STEPS


def score_rows(intervals: dict[str, Interval]) -> list[list[str]]:
    """A row a score: what it is, its value, its interval."""
    rows = []
    for name, score in SCORES.items():
        value, low, high = (score.unit.text(number) for number in vars(intervals[name]).values())
        rows.append([score.header, value, "–" if np.isnan(intervals[name].low) else f"[{low}, {high}]"])
    return rows


HEADER = ["calibrator", "ECE_EM (%)", "error (%)", "NLL (nats)"]
UNFINISHED = " (unfinished)"


def calibrator_rows(names: list[str], val: Predictions, test: Predictions, num_bins: int) -> Iterator[list[str]]:
    """A row a post-hoc calibrator fitted on `val`: ECE_EM and error in percent, NLL in nats, on `test`."""
    yield ["none", *_row(*top_label(*test), nll(*test), num_bins)]
    for name in names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            calibrator = build(name).fit(*val)
        label = CALIBRATORS[name].label
        if hasattr(calibrator, "temperature_"):
            label += f", T = {calibrator.temperature_:.2f}"
        if not getattr(calibrator, "finished_", True):
            label += UNFINISHED
        yield [
            label,
            *_row(*calibrator.top_label(*test), nll(calibrator.log_proba(test.scores), test.labels), num_bins),
        ]


def _row(confidence: np.ndarray, correct: np.ndarray, nats: float, num_bins: int) -> list[str]:
    ece, error = 100 * ece_em(confidence, correct, num_bins), 100 * (~correct).mean()
    return [f"{ece:z.2f}", f"{error:z.2f}", f"{nats:z.4f}"]


def _limits(names: list[str], val: Predictions) -> list[str]:
    """What is to be said of searches that may be stopped early."""
    made = {name: build(name) for name in names}
    steps = {name: made[name].max_steps(*val.scores.shape) for name in names if hasattr(made[name], "max_steps")}
    return [
        f"{CALIBRATORS[name].label}: at most {limit:,} steps of its search, which may take minutes."
        for name, limit in steps.items()
        if limit < MAX_STEPS
    ]


def _explained(tables: list[tuple[str, list[str], list[list[str]]]]) -> list[str]:
    """What readers may wonder at."""
    cells = [cell for _, _, rows in tables for row in rows for cell in row]
    notes = {
        "an NLL of inf: a label has probability 0, as in a bin of histogram binning or a step of isotonic regression "
        "whose validation predictions were all right, or all wrong": "inf" in cells,
        "unfinished: the search was stopped at its limit of steps, near its optimum or not": any(
            cell.endswith(UNFINISHED) for cell in cells
        ),
    }
    return [note for note, holds in notes.items() if holds]


def report(options) -> None:
    """Print the report, scores first, and write the page.

    Raises:
        ValueError: what `load`, `choose` and the metrics refuse.
        OSError: a page that cannot be written.
    """
    (path,), out = options.predictions, options.out
    if out and out.is_dir():
        out = out / f"{path.name.partition('.')[0]}.html"
    page.check_place(out, [path, options.val])
    test, val, notes = load(path, options.val, options)
    n, k = test.scores.shape
    notes = [
        f"{path.name}: {n:,} samples, {k:,} classes. {options.num_bins} bins; 95 % intervals: exact for "
        f"the error, others by bootstrap, {options.resamples:,} resamples, seed {options.seed}: an ECE's starts at 0 "
        "where a calibrated model may have its value, and the MCE and the smooth ECE have none.",
        *notes,
    ]
    if val:
        names, left_out = choose(options.calibrators, k)
        notes.append(f"Calibrators are fitted to {len(val.labels):,} validation samples.")
        notes += left_out + _limits(names, val)
    elif options.calibrators:
        notes.append("No validation predictions (--val FILE): no calibrator is fitted.")
    print("\n".join(notes), flush=True)
    intervals = bootstrap(
        *test,
        num_bins=options.num_bins,
        num_resamples=options.resamples,
        seed=options.seed,
        progress=partial(tqdm, desc="bootstrap", leave=False, disable=None),
    )
    header, rows = ["score", "value", "95 % interval"], score_rows(intervals)
    print("\nScores")
    tables = [("Scores", header, page.print_table(header, rows))]
    pictures, warned = {"as given": page.picture(*top_label(*test), options.num_bins)} if out else {}, []
    if val:
        print("\nPost-hoc calibration")
        bar = tqdm(calibrator_rows(names, val, test, options.num_bins), total=len(names) + 1, leave=False, disable=None)
        width = max(len(CALIBRATORS[name].label) for name in names) + len(", T = 10.00")
        tables.append(("Post-hoc calibration", HEADER, page.print_table(HEADER, bar, width)))
        if out:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", RuntimeWarning)
                scaling = build("ts-nll").fit(*val)
            name = f"after temperature scaling by NLL, T = {scaling.temperature_:.2f}"
            pictures[name] = page.picture(*scaling.top_label(*test), options.num_bins)
            warned = [str(warning.message) for warning in caught]  # of a temperature at a bound
    explained = _explained(tables) + warned
    print("".join(f"{note}\n" for note in explained), end="")
    if out:
        title = f"Calibration of {path.name}"
        files.write_bytes(out, page.page(title, notes + explained, tables, pictures).encode())
        print(f"\nwritten: {out}")
