"""Figures drawn from run records: what a figure is, and the files it is written to."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from experiments import records
from experiments.records import files
from figures import cache, style
from figures.collect import Collection, how_to_train


@dataclass(frozen=True)
class Picture:
    """A figure of the paper.

    Attributes:
        name: its make target, the name of its files and its key in `grid.EXPERIMENTS`.
        title: what is shown.
        notes: how to read it: axes, lines, units, bins, which split.
        draw: makes the figure from the records there are, whichever are missing; reads no file but theirs.
        needs: the parts of a record, attributes of `Record`, without which `draw` cannot use it.
    """

    name: str
    title: str
    notes: str
    draw: Callable[[Collection], Figure]
    needs: tuple[str, ...] = ("history", "bins")


def write(picture: Picture, collection: Collection, folder: Path) -> tuple[str, ...]:
    """Draw NAME.pdf and NAME.png, unless they are there and nothing has changed, and write the caption NAME.txt.

    Returns:
        The suffixes of the files.
    """
    key = f"{folder.resolve() / picture.name} {_inputs(collection)}"
    if cache.get(key) is None or cache.get(key) != _digests(picture, folder):
        style.save(picture.draw(collection), folder, picture.name)
        cache.put(key, _digests(picture, folder))
    files.write_bytes(folder / f"{picture.name}.txt", caption(picture, collection).encode())
    return ("pdf", "png", "txt")


def _inputs(collection: Collection) -> str:
    """A digest of all that a figure is drawn from."""
    digest = hashlib.sha256(
        cache.code("figures", "experiments", "calibration", packages=("matplotlib", "numpy", "pandas")).encode()
    )
    for run, record in collection.done.items():
        digest.update(str(run).encode())
        for name in (records.CONFIG, records.HISTORY, records.BINS, records.RESULT):  # the last has the predictions'
            path = record.folder / name
            digest.update(files.sha256(path.read_bytes() if path.exists() else b"").encode())
    return digest.hexdigest()


def _digests(picture: Picture, folder: Path) -> list[str]:
    paths = (folder / f"{picture.name}.{suffix}" for suffix in ("pdf", "png"))
    return [files.sha256(path.read_bytes()) if path.exists() else "" for path in paths]


def summary(picture: Picture, collection: Collection) -> str:
    """The text below the figure: what it shows, of how many runs."""
    seeds = "one seed" if collection.seeds == 1 else f"{collection.seeds} seeds"
    text = f"{picture.notes} Scale: {collection.scale}; {seeds}; from {len(collection.done)} of "
    text += f"{len(collection.found)} runs"
    text += f", on {'; '.join(collection.devices)}." if collection.devices else "."
    return text + "".join(f" Data: {note}." for note in collection.data_notes)


def caption(picture: Picture, collection: Collection) -> str:
    """The caption file: the summary, the runs that went in, those that are missing and the command that makes them."""
    lines = [f"{picture.title}.", summary(picture, collection), "", "Drawn from:"]
    lines += [f"  {run}  (commit {record.commit[:12]})" for run, record in collection.done.items()] or ["  nothing"]
    if collection.missing:
        lines += ["", "Missing:", *(f"  {run}" for run in collection.missing)]
    if commands := how_to_train(collection):
        lines += ["", commands]
    return "\n".join(lines) + "\n"
