"""The report on many models: a row each, as a page of HTML and a CSV."""

import hashlib
import os
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from calibration import SCORES, summary, top_label
from calibration.ece import ece_em
from experiments.audit import page
from experiments.audit.find import Found, find, is_record
from experiments.audit.read import choose, load
from experiments.records import files
from experiments.records.predictions import Predictions
from posthoc import CALIBRATORS, build

NAME = "audit"
SHOWN = ["model", "T", "ECE_EM (%)", "after T", "best", "its ECE_EM"]


@dataclass
class Row:
    """What is known of a model.

    Attributes:
        name: what the table calls it.
        file: its predictions.
        labels: a digest of its labels.
        samples: N.
        classes: K.
        before: every score, as `calibration.summary` gives them.
        val_samples: number of validation samples; 0 for none, and then all that follows is empty.
        temperature: T, fitted to the validation samples.
        after: every score at T.
        best: the calibrator with the lowest ECE_EM in cross-validation; "none" leaves the logits as they are.
        best_ece_em: its ECE_EM on the model's predictions, fitted to all validation samples.
        notes: what is to be said of the file.
    """

    name: str
    file: Path
    labels: str
    samples: int
    classes: int
    before: dict[str, float]
    val_samples: int = 0
    temperature: float | None = None
    after: dict[str, float] = field(default_factory=dict)
    best: str = ""
    best_ece_em: float | None = None
    notes: list[str] = field(default_factory=list)


def measure(name: str, found: Found, options, bar: tqdm) -> Row:
    """A model's row; `bar` says what is being done.

    Raises:
        ValueError: what `load` refuses.
    """
    bar.set_postfix_str(f"{name}: scores")
    test, val, notes = load(found.path, found.val, options)
    digest, before = hashlib.sha256(test.labels.tobytes()).hexdigest(), summary(*test, options.num_bins)
    row = Row(name, found.path, digest, *test.scores.shape, before, notes=notes)
    if val is None:
        return row
    row.val_samples = len(val.labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # T at an end of its grid, a search at its limit
        row.temperature = build("ts").fit(*val).temperature_
        row.after = summary(test.scores / row.temperature, test.labels, options.num_bins)
        names, left_out = choose(options.calibrators, row.classes)
        row.notes += left_out

        def say(what: str) -> None:
            bar.set_postfix_str(f"{name}: {what}")

        row.best = best_calibrator(names, val, options.num_bins, options.seed, say)
        if row.best in CALIBRATORS:
            outcomes = build(row.best).fit(*val).top_label(*test)
            row.best_ece_em = ece_em(*outcomes, options.num_bins)
        elif row.best:
            row.best_ece_em = row.before["ece_em"]
    return row


def best_calibrator(names: list[str], val: Predictions, num_bins: int, seed: int, say) -> str:
    """The calibrator with the lowest ECE_EM in 2-fold cross-validation on validation samples alone.

    Args:
        names: of calibrators; "none" is tried first, and wins ties.
        val: N validation predictions.
        num_bins: M, of ECE_EM.
        seed: of the halves.
        say: is told what is being fitted.

    Returns:
        Its name, "none" for the logits as they are; "" with fewer than 2 samples.
    """
    n = len(val.labels)
    if n < 2:
        return ""
    halves = np.array_split(np.random.default_rng(seed).permutation(n), 2)
    scores = {"none": ece_em(*top_label(*val), num_bins)}
    for name in names:
        say(CALIBRATORS[name].label)
        held_out = []
        for own, other in (halves, halves[::-1]):
            calibrator = build(name).fit(val.scores[own], val.labels[own])
            held_out.append(calibrator.top_label(val.scores[other], val.labels[other]))
        confidence, correct = map(np.concatenate, zip(*held_out, strict=True))
        scores[name] = ece_em(confidence, correct, num_bins)
    return min(scores, key=scores.get)


def frame(rows: list[Row]) -> pd.DataFrame:
    """A row a model: fractions, NLL in nats, empty where there is no validation part."""
    return pd.DataFrame(
        {
            "model": row.name,
            "file": str(row.file),
            "samples": row.samples,
            "classes": row.classes,
            "validation_samples": row.val_samples,
            "temperature": row.temperature,
            **row.before,
            **{f"{name}_after": row.after.get(name) for name in SCORES},
            "best_calibrator": row.best,
            "best_ece_em": row.best_ece_em,
        }
        for row in rows
    )


def _label(name: str) -> str:
    return CALIBRATORS[name].label if name in CALIBRATORS else name


def _percent(value: float | None) -> str:
    return "" if value is None else SCORES["ece_em"].unit.text(value)


def table(rows: list[Row]) -> tuple[list[tuple[str, int]], list[str], list[list[str]]]:
    """Groups of columns, header and cells of the page."""
    groups = [("", 1), ("", 4), *((score.header, 2) for score in SCORES.values()), ("best calibrator", 2)]
    header = ["model", "samples", "classes", "val. samples", "T", *["before", "after"] * len(SCORES), "", "ECE_EM (%)"]
    cells = []
    for row in rows:
        known = [row.name, f"{row.samples:,}", f"{row.classes:,}", f"{row.val_samples:,}" if row.val_samples else ""]
        known.append("" if row.temperature is None else f"{row.temperature:.1f}")
        for name, score in SCORES.items():
            known += [score.unit.text(part[name]) if part else "" for part in (row.before, row.after)]
        cells.append([*known, _label(row.best), _percent(row.best_ece_em)])
    return groups, header, cells


def report(options) -> list[str]:
    """Measure every model, print a line each, and write the page and the CSV; returns what was wrong with files.

    Raises:
        ValueError: options that go with one file only, no model at all.
        OSError: a page that cannot be written.
    """
    if options.val:
        raise ValueError("--val goes with one file: for several, NAME-val.npz beside NAME.npz is its validation part")
    out = options.out or Path(f"{NAME}.html")
    out = out / f"{NAME}.html" if out.is_dir() else out
    stem = out.with_suffix("") if out.suffix.lower() in (".html", ".htm", ".csv") else out
    as_html, as_csv = (stem.with_name(stem.name + suffix) for suffix in (".html", ".csv"))
    found, notes, errors = find(options.predictions)
    for place in (as_html, as_csv):
        page.check_place(place, [path for model in found for path in (model.path, model.val)])
    print("".join(f"{note}\n" for note in notes), end="", flush=True)
    for error in errors if found else errors[:-1]:
        print(f"error: {error}", file=sys.stderr)
    if not found:
        raise ValueError(errors[-1] if errors else "there are no predictions: only files called NAME-val were given")
    names = _names([model.path for model in found])
    rows: list[Row] = []

    with tqdm(found, unit="model", leave=False, disable=None) as bar:

        def measured():
            for model in bar:
                try:
                    row = measure(names[model.path], model, options, bar)
                except (ValueError, OSError) as error:
                    errors.append(str(error) if str(model.path) in str(error) else f"{model.path}: {error}")
                    tqdm.write(f"error: {errors[-1]}", file=sys.stderr)
                    continue
                rows.append(row)
                temperature = "" if row.temperature is None else f"{row.temperature:.1f}"
                after = _percent(row.after.get("ece_em"))
                before, best = _percent(row.before["ece_em"]), _percent(row.best_ece_em)
                yield [row.name, temperature, before, after, _label(row.best), best]

        shown = page.print_table(SHOWN, measured(), max(map(len, [SHOWN[0], *names.values()])))
    if not rows:
        raise ValueError(f"none of {len(errors)} files could be read, and nothing was written")
    said = [f"Note: {row.name}: {note.removeprefix('Note: ')}" for row in rows for note in row.notes]
    if len({row.labels for row in rows}) > 1:
        said.append("Note: the models' labels differ, so the rows are of different test sets.")
    print("".join(f"{note}\n" for note in said), end="")
    groups, header, cells = table(rows)
    models = f"{len(rows)} model{'s' if len(rows) > 1 else ''}"
    about = (
        f"{models}, {options.num_bins} bins. Scores before and after temperature scaling; T has the lowest "
        "ECE_EM on validation predictions. The best calibrator has the lowest ECE_EM in 2-fold cross-validation on "
        f"these (seed {options.seed}); its ECE_EM is that of the test predictions. Where there are no validation "
        "predictions, columns are empty."
    )
    lost = [f"Left out: {error}" for error in errors]
    tables = [("ECE_EM", SHOWN, shown), ("All scores", header, cells, groups)]
    whole = page.page(f"Calibration of {models}", [about, *notes, *said, *lost], tables, {})
    files.write_bytes(as_csv, frame(rows).to_csv(index=False).encode())
    files.write_bytes(as_html, whole.encode())
    print(f"\nwritten: {as_html} and {as_csv}")
    return errors


def _names(paths: list[Path]) -> dict[Path, str]:
    """What tells the models apart: their paths below the folder they share; a record is called like its folder."""
    called = {path: path.absolute().parent if is_record(path) else path.absolute() for path in paths}
    if not called:
        return {}
    top = os.path.commonpath([path.parent for path in called.values()])
    return {path: str(name.relative_to(top)) for path, name in called.items()}
