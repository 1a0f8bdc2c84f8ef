"""How far the runs of a table or figure are: `python -m experiments.status --help`."""

import argparse
import csv
import json
import math
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from experiments import grid, records, scales
from experiments.command import add_runs, refusing, until_nobody_reads
from experiments.grid import Run
from experiments.records.failure import ERROR
from experiments.records.lock import Owner, holder
from experiments.training import checkpoint

DONE, RUNNING, FAILED, STOPPED, MISSING = STATES = ("done", "running", "failed", "stopped", "missing")
OTHERS = "others"  # the column of the runs with overrides


@dataclass(frozen=True)
class Status:
    """How far one run is.

    Attributes:
        run: which.
        state: one of `STATES`.
        folder: where it is, or would be.
        epoch: the last one that ended.
        seconds: spent on it, so far.
        device: the name of what it is trained on; "" where nothing tells.
        failure: when ("" if unknown) and why it failed, and the file that says so.
        owner: who trains it.
    """

    run: Run
    state: str
    folder: Path
    epoch: int = 0
    seconds: float = 0.0
    device: str = ""
    failure: tuple[str, str, Path] | None = None
    owner: Owner | None = None


def statuses(runs: list[Run], root: Path) -> list[Status]:
    """How far each run is, by its folder below `root` or its published record."""
    found, damaged = {}, {}
    for run in runs:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found[run] = records.find(run, root)
        for warning in caught:
            if "has not ended" not in (text := str(warning.message)):
                damaged[run] = text.removeprefix("left out: ")
    with warnings.catch_warnings(), suppress(records.RecordError):  # a table says what does not fit together
        warnings.simplefilter("ignore")
        found = records.of_one_data_set(found)
    lacking = [run for run in runs if found[run] is None]
    with ThreadPoolExecutor(16) as pool:  # for a lock of another host, Slurm is asked
        owners = dict(zip(lacking, pool.map(lambda run: holder(run.folder(root)), lacking), strict=True))
    return [
        _done(run, found[run]) if found[run] else _unfinished(run, run.folder(root), owners[run], damaged.get(run, ""))
        for run in runs
    ]


def _done(run: Run, record: records.Record) -> Status:
    epochs, seconds = run.recipe.epochs, record.result["seconds"]
    if seconds is None:
        seconds = _history(record.folder)[1]
    return Status(run, DONE, record.folder, epochs, seconds, _device(record.folder))


def _unfinished(run: Run, folder: Path, owner: Owner | None, damage: str) -> Status:
    epoch, seconds = _history(folder)
    failure = ("", damage, folder / records.RESULT) if damage else None
    with suppress(FileNotFoundError):  # a run that begins meanwhile deletes it
        when, _, why = (folder / ERROR).read_text(encoding="utf-8", errors="replace").strip().partition("  ")
        failure = (when, why, folder / ERROR) if why else ("", when, folder / ERROR)
    begun = epoch or any((folder / name).exists() for name in (checkpoint.CURRENT, checkpoint.PREVIOUS))
    state = RUNNING if owner else FAILED if failure else STOPPED if begun else MISSING
    return Status(run, state, folder, epoch, seconds, _device(folder), failure, owner)


def _history(folder: Path) -> tuple[int, float]:
    """The last epoch and the seconds of all, of a file whose last row may be half-written, or damaged from a row on."""
    epoch, seconds = 0, 0.0
    with suppress(OSError, KeyError, TypeError, ValueError, csv.Error):
        for row in csv.DictReader((folder / records.HISTORY).read_text(errors="replace").splitlines()):
            if not math.isfinite(spent := float(row["seconds"])):
                break
            epoch, seconds = int(row["epoch"]), seconds + spent
    return epoch, seconds


def _device(folder: Path) -> str:
    try:
        found = records.environments(json.loads((folder / records.CONFIG).read_text()))
        return ", then ".join(dict.fromkeys(environment["device"] for environment in found))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""


def table(found: list[Status]) -> str:
    """A row a dataset-model pair, a column a method; in a cell, how many runs are how far."""
    columns = list(dict.fromkeys(_column(status.run) for status in found))
    columns.sort(key=OTHERS.__eq__)  # last
    cells = defaultdict(list)
    for status in found:
        cells[status.run.dataset, status.run.model, _column(status.run)].append(status)
    pairs = dict.fromkeys((status.run.dataset, status.run.model) for status in found)
    rows = [["dataset", "model", *columns]]
    rows += [[*pair, *(counts(cells[*pair, column]) or "–" for column in columns)] for pair in pairs]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _column(run: Run) -> str:
    return OTHERS if run.overrides else run.method


def counts(found: Iterable[Status]) -> str:
    """For example "2 done, 1 running"; "" for no runs."""
    number = Counter(status.state for status in found)
    return ", ".join(f"{number[state]} {state}" for state in STATES if number[state])


def hours_spent(found: list[Status]) -> dict[str, float]:
    """Hours by device, of runs done and not."""
    hours = defaultdict(float)
    for status in found:
        if status.seconds:
            hours[status.device or "an unknown device"] += status.seconds / 3600
    return dict(hours)


def hours_left(found: list[Status]) -> tuple[float, list[tuple[str, str]]]:
    """The hours that the runs lack, at the mean seconds an epoch of the done ones of the same dataset and model.

    Returns:
        The hours, and the dataset-model pairs that lack runs and have no done one to go by, which are not in them.
    """
    speeds, seconds, unknown = defaultdict(list), 0.0, {}
    for status in found:
        if status.state == DONE and status.seconds:
            speeds[status.run.dataset, status.run.model].append(status.seconds / status.epoch)
    for status in found:
        pair = (status.run.dataset, status.run.model)
        if status.state != DONE and pair in speeds:
            seconds += mean(speeds[pair]) * max(0, status.run.recipe.epochs - status.epoch)
        elif status.state != DONE:
            unknown[pair] = None
    return seconds / 3600, list(unknown)


def report(found: list[Status], failed: bool = False) -> str:
    """The table, the runs under way and stopped, and the hours; with `failed`, also why the failed ones did."""
    lines = [table(found), "", f"{len(found)} runs: {counts(found)}"]
    for status in found:
        if status.state in (RUNNING, STOPPED):
            by = f", {status.owner}" if status.owner else ""
            lines.append(f"{status.state}: {status.run}: epoch {status.epoch} of {status.run.recipe.epochs}{by}")
    spent = [f"{hours:.2f} h on {device}" for device, hours in hours_spent(found).items()]
    lines.append(f"spent so far: {', '.join(spent) or 'nothing'}")
    left, unknown = hours_left(found)
    lines.append(f"left, at the speed of the done runs of the same dataset and model: {left:.2f} h")
    if unknown:
        lines.append(f"besides, no run to estimate from: {', '.join('/'.join(pair) for pair in unknown)}")
    if failed:
        lines.append("")
        failures = [status for status in found if status.state == FAILED]
        for status in failures:
            when, why, path = status.failure
            lines += [f"failed: {status.run}, {when or 'at an unknown time'}", f"  {why}", f"  {path}"]
        if not failures:
            lines.append("no failed runs")
    return "\n".join(lines)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.status",
        description="Show which runs of a table or figure are done, running, failed, stopped (cut short; the same "
        "command goes on with it) or missing, the hours they took, and an estimate of the hours left.",
        epilog="example: python -m experiments.status --for all --scale paper --failed",
    )
    grid.add_selection(parser)
    add_runs(parser)
    parser.add_argument("--failed", action="store_true", help="also say when and why each failed run did")
    return parser


@refusing()
def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _arguments().parse_args(arguments)
    wanted = grid.runs_of(options.name, scales.resolve(options))
    print(report(statuses(wanted, options.runs), options.failed))
    return 0


if __name__ == "__main__":
    sys.exit(until_nobody_reads(main))
