"""A calibration report on anybody's predictions: `python -m experiments.audit --help`."""

import argparse
import base64
import html
import io
import sys
import warnings
from pathlib import Path

import numpy as np

from calibration import SCORES, Interval, bootstrap, nll, reliability_diagram, top_label
from calibration.ece import ece_em
from experiments.command import REFUSED, until_nobody_reads
from experiments.records import files, predictions
from experiments.records.predictions import Predictions
from posthoc import CALIBRATORS, build


def score_rows(intervals: dict[str, Interval]) -> list[list[str]]:
    """A row a score: what it is, its value, its interval."""
    rows = []
    for name, score in SCORES.items():
        value, low, high = (score.unit.text(number) for number in vars(intervals[name]).values())
        rows.append([score.header, value, "–" if np.isnan(intervals[name].low) else f"[{low}, {high}]"])
    return rows


def calibrator_rows(val: Predictions, test: Predictions, num_bins: int) -> list[list[str]]:
    """A row a post-hoc calibrator fitted on `val`: ECE_EM and error in percent, NLL in nats, on `test`."""
    before = top_label(*test)
    rows = [["none", *_row(*before, nll(*test), num_bins)]]
    for name, entry in CALIBRATORS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            calibrator = build(name).fit(*val)
        probability = calibrator.predict_proba(test.scores)
        rows.append(
            [
                entry.label + (f", T = {calibrator.temperature_:.2f}" if hasattr(calibrator, "temperature_") else ""),
                *_row(*calibrator.top_label(*test), nll(probability, test.labels, from_logits=False), num_bins),
            ]
        )
    return rows


def _row(confidence: np.ndarray, correct: np.ndarray, nats: float, num_bins: int) -> list[str]:
    return [f"{100 * ece_em(confidence, correct, num_bins):.2f}", f"{100 * (~correct).mean():.2f}", f"{nats:.4f}"]


def text_table(header: list[str], rows: list[list[str]]) -> str:
    """Rows in columns, the first one to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = (
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in [header, *rows]
    )
    return "\n".join(line.rstrip() for line in lines)


def _picture(confidence: np.ndarray, correct: np.ndarray, num_bins: int) -> str:
    """A reliability diagram as the source of an HTML image."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6, 3.6), layout="constrained")
    reliability_diagram(confidence, correct, num_bins, ax=figure.add_subplot())
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _html_table(header: list[str], rows: list[list[str]]) -> str:
    def line(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "<table>" + line(header, "th") + "".join(line(row, "td") for row in rows) + "</table>"


def page(title: str, notes: str, tables: list[tuple[str, list[str], list[list[str]]]], pictures: dict[str, str]) -> str:
    """A page of HTML that needs no other file."""
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
        f"<h1>{html.escape(title)}</h1><p>{html.escape(notes)}</p>{body}<h2>Reliability</h2>{shown}</body></html>\n"
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
        type=Path,
        help="an .npz with logits [N, K] and labels [N], a run's predictions.npz (val_logits, test_logits, ...), or a "
        "CSV with a column `label` and a column a class",
    )
    parser.add_argument("--val", metavar="FILE", type=Path, help="validation predictions, to fit the calibrators to")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the report there as one page of HTML")
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
    """Probabilities as their logarithms; a probability of 0 becomes 1e-12."""
    return Predictions(np.log(part.scores.clip(1e-12)), part.labels)


def load(options) -> tuple[Predictions, Predictions | None]:
    """The predictions to report on, and those to fit calibrators to."""

    def read(path: Path, *parts: str) -> Predictions | None:
        found = (predictions.read(path, part, options.probabilities) for part in parts)
        return next(filter(None, found), None)

    test = read(options.predictions, "test", "")
    val = read(options.val, "val", "") if options.val else read(options.predictions, "val")
    if val and val.scores.shape[1] != test.scores.shape[1]:
        raise ValueError(
            f"{options.val or options.predictions}: {val.scores.shape[1]} classes, "
            f"{options.predictions} has {test.scores.shape[1]}"
        )
    return test, val


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _arguments().parse_args(arguments)
    try:
        if options.out and not options.out.absolute().parent.is_dir():
            raise ValueError(f"--out {options.out}: there is no folder {options.out.parent}")
        test, val = load(options)
        if options.probabilities:  # calibrators take logits: log p has the same softmax
            test, val = (part and _as_logits(part) for part in (test, val))
        intervals = bootstrap(*test, num_bins=options.num_bins, num_resamples=options.resamples, seed=options.seed)
        n, k = test.scores.shape
        notes = (
            f"{options.predictions.name}: {n:,} samples, {k} classes. {options.num_bins} bins; 95 % intervals by "
            f"bootstrap, {options.resamples:,} resamples, seed {options.seed}: an ECE's starts at 0 where a calibrated "
            "model may have its value, and the MCE and the smooth ECE have none."
        )
        tables = [("Scores", ["score", "value", "95 % interval"], score_rows(intervals))]
        pictures = {"as given": _picture(*top_label(*test), options.num_bins)} if options.out else {}
        if val:
            notes += f" Calibrators are fitted to {len(val.labels):,} validation samples."
            header = ["calibrator", "ECE_EM (%)", "error (%)", "NLL (nats)"]
            tables.append(("Post-hoc calibration", header, calibrator_rows(val, test, options.num_bins)))
            if options.out:
                scaling = build("ts-nll").fit(*val)
                name = f"after temperature scaling by NLL, T = {scaling.temperature_:.2f}"
                pictures[name] = _picture(*scaling.top_label(*test), options.num_bins)
        print(notes)
        for name, header, rows in tables:
            print(f"\n{name}\n{text_table(header, rows)}")
        if options.out:
            title = f"Calibration of {options.predictions.name}"
            files.write_bytes(options.out, page(title, notes, tables, pictures).encode())
            print(f"\nwritten: {options.out}")
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(until_nobody_reads(main))
