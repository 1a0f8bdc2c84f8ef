"""A calibration report on anybody's predictions: `python -m experiments.audit --help`."""

import argparse
import base64
import html
import io
import itertools
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from calibration import SCORES, Interval, bootstrap, nll, reliability_diagram, top_label
from calibration.diagram import panels
from calibration.ece import ece_em
from experiments.command import REFUSED, a_path, until_nobody_reads
from experiments.records import files, predictions
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


def print_table(header: list[str], rows: Iterable[list[str]], first: int = 0) -> list[list[str]]:
    """Print rows in columns as they come, the first one to the left, the others to the right; returns them.

    Args:
        header: of the columns.
        rows: cells.
        first: width of the first column; 0 waits for all rows.
    """
    if not first:
        rows = list(rows)
        first = max(len(row[0]) for row in [header, *rows])
        widths = [max(len(row[i]) for row in [header, *rows]) for i in range(1, len(header))]
    else:
        widths = [max(len(name), 8) for name in header[1:]]
    printed = []
    for row in itertools.chain([header], rows):
        cells = (cell.rjust(width) for cell, width in zip(row[1:], widths, strict=True))
        tqdm.write("  ".join([row[0].ljust(first), *cells]).rstrip(), file=sys.stdout)  # above a bar
        sys.stdout.flush()
        printed.append(row)
    return printed[1:]


def _picture(confidence: np.ndarray, correct: np.ndarray, num_bins: int) -> str:
    """A reliability diagram as the source of an HTML image."""
    from matplotlib.figure import Figure

    ax, counts_ax = panels(Figure(figsize=(3.6, 4.6), layout="constrained"))
    reliability_diagram(confidence, correct, num_bins, ax=ax, counts_ax=counts_ax)
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _html_table(header: list[str], rows: list[list[str]]) -> str:
    def line(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "<table>" + line(header, "th") + "".join(line(row, "td") for row in rows) + "</table>"


def page(
    title: str, notes: list[str], tables: list[tuple[str, list[str], list[list[str]]]], pictures: dict[str, str]
) -> str:
    """A page of HTML that needs no other file."""
    said = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    body = "".join(f"<h2>{html.escape(name)}</h2>{_html_table(header, rows)}" for name, header, rows in tables)
    shown = "".join(
        f'<figure><img alt="{html.escape(name)}" src="{source}"><figcaption>{html.escape(name)}</figcaption></figure>'
        for name, source in pictures.items()
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>"
        "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
        "table{border-collapse:collapse}th,td{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:right}"
        "th:first-child,td:first-child{text-align:left}figure{display:inline-block;margin:0 1rem 0 0}"
        "img{max-width:100%;width:22rem}figcaption{text-align:center}</style></head><body>"
        f"<h1>{html.escape(title)}</h1>{said}{body}<h2>Reliability</h2>{shown}</body></html>\n"
    )


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.audit",
        description="Print every calibration score of a set of predictions with bootstrap 95% intervals, and what "
        "post-hoc calibrators fitted to validation predictions make of it; write a page with reliability diagrams.",
        epilog="example: python -m experiments.audit test.npz --val val.npz --out report.html",
    )
    parser.add_argument(
        "predictions",
        type=a_path,
        help="an .npz with logits [N, K] and labels [N], a run's predictions.npz (val_logits, test_logits, ...), or a "
        "CSV (commas, semicolons or tabs) with a column `label` and a column a class",
    )
    parser.add_argument("--val", metavar="FILE", type=a_path, help="validation predictions, to fit the calibrators to")
    parser.add_argument(
        "--out", metavar="FILE", type=a_path, help="write the report there as one page of HTML; a folder will do"
    )
    parser.add_argument(
        "--calibrators",
        metavar="NAME",
        nargs="+",
        help=f"of {', '.join(CALIBRATORS)} (default: all, without those that have too many parameters for the classes)",
    )
    parser.add_argument("--num-bins", type=int, default=15, help="bins of the binned scores (default: 15)")
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap resamples (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: 0)")
    parser.add_argument(
        "--probabilities",
        action="store_true",
        help="the files hold probabilities instead of logits; nothing is guessed",
    )
    return parser


def _as_logits(part: Predictions) -> Predictions:
    """Probabilities as their logarithms; that of 0 is -inf."""
    with np.errstate(divide="ignore"):
        return Predictions(np.log(part.scores), part.labels)


def load(options) -> tuple[Predictions, Predictions | None, list[str]]:
    """The predictions to report on, those to fit calibrators to, and what is to be said of the files."""

    def read(path: Path, *parts: str) -> Predictions | None:
        found = (predictions.read(path, part, options.probabilities) for part in parts)
        return next(filter(None, found), None)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        test = read(options.predictions, "test", "")
        val = read(options.val, "val", "") if options.val else read(options.predictions, "val")
    if val and val.scores.shape[1] != test.scores.shape[1]:
        raise ValueError(
            f"{options.val or options.predictions}: {val.scores.shape[1]} classes, "
            f"{options.predictions} has {test.scores.shape[1]}"
        )
    if options.probabilities:  # calibrators take logits: log p has the same softmax
        test, val = (part and _as_logits(part) for part in (test, val))
    return test, val, [f"Note: {warning.message}." for warning in caught]


def choose(names: list[str] | None, num_classes: int) -> tuple[list[str], list[str]]:
    """The calibrators to fit, and what is to be said of those left out; named ones are fitted whatever their size.

    Raises:
        ValueError: an unknown name.
    """
    for name in names or ():
        build(name)
    if names:
        return names, []
    chosen = [name for name, entry in CALIBRATORS.items() if entry.takes(num_classes)]
    left_out = [name for name in CALIBRATORS if name not in chosen]
    return chosen, [
        f"Left out with more than {CALIBRATORS[name].max_classes} classes: {CALIBRATORS[name].label}, whose parameters "
        f"are too many; --calibrators {name} fits it."
        for name in left_out
    ]


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
    out = options.out
    if out and out.is_dir():
        out = out / f"{options.predictions.name.partition('.')[0]}.html"
    if out and not out.absolute().parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {out.parent}")
    test, val, notes = load(options)
    n, k = test.scores.shape
    notes = [
        f"{options.predictions.name}: {n:,} samples, {k:,} classes. {options.num_bins} bins; 95 % intervals: exact for "
        f"the error, others by bootstrap, {options.resamples:,} resamples, seed {options.seed}: an ECE's starts at 0 "
        "where a calibrated model may have its value, and the MCE and the smooth ECE have none.",
        *notes,
    ]
    if val:
        names, left_out = choose(options.calibrators, k)
        notes.append(f"Calibrators are fitted to {len(val.labels):,} validation samples.")
        notes += left_out + _limits(names, val)
    print("\n".join(notes), flush=True)
    intervals = bootstrap(*test, num_bins=options.num_bins, num_resamples=options.resamples, seed=options.seed)
    header, rows = ["score", "value", "95 % interval"], score_rows(intervals)
    print("\nScores")
    tables = [("Scores", header, print_table(header, rows))]
    pictures = {"as given": _picture(*top_label(*test), options.num_bins)} if out else {}
    if val:
        print("\nPost-hoc calibration")
        bar = tqdm(calibrator_rows(names, val, test, options.num_bins), total=len(names) + 1, leave=False, disable=None)
        width = max(len(CALIBRATORS[name].label) for name in names) + len(", T = 10.00")
        tables.append(("Post-hoc calibration", HEADER, print_table(HEADER, bar, width)))
        if out:
            scaling = build("ts-nll").fit(*val)
            name = f"after temperature scaling by NLL, T = {scaling.temperature_:.2f}"
            pictures[name] = _picture(*scaling.top_label(*test), options.num_bins)
    explained = _explained(tables)
    print("".join(f"{note}\n" for note in explained), end="")
    if out:
        title = f"Calibration of {options.predictions.name}"
        files.write_bytes(out, page(title, notes + explained, tables, pictures).encode())
        print(f"\nwritten: {out}")


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _arguments().parse_args(arguments)
    try:
        report(options)
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(until_nobody_reads(main))
