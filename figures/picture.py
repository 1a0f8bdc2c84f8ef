"""Figures that are drawn from run records alone: what a figure is, and the files it becomes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from experiments import files
from figures import style
from figures.collect import Collection, Find, collect, how_to_train


@dataclass(frozen=True)
class Picture:
    """A figure of the paper.

    Attributes:
        name: its make target, the name of its files and its key in `grid.EXPERIMENTS`.
        title: what is shown.
        notes: how to read it: axes, lines, units, bins, which split.
        draw: makes the figure from the records there are, whichever are missing; reads no file but theirs.
        needs: the parts of a record without which `draw` cannot use it.
    """

    name: str
    title: str
    notes: str
    draw: Callable[[Collection], Figure]
    needs: tuple[str, ...] = ("history", "bins")


@dataclass(frozen=True)
class Drawn:
    """A figure and the records in it."""

    picture: Picture
    collection: Collection
    figure: Figure


def make(picture: Picture, scale: str, find: Find | Path) -> Drawn:
    """Collect a figure's records and draw what there is.

    Raises:
        ValueError: an unknown scale.
    """
    collection = collect(picture.name, scale, find, picture.needs)
    return Drawn(picture, collection, picture.draw(collection))


def write(drawn: Drawn, folder: Path) -> list[str]:
    """Write NAME.pdf, NAME.png and the caption NAME.txt; returns their suffixes."""
    style.save(drawn.figure, folder, drawn.picture.name)
    files.write_bytes(folder / f"{drawn.picture.name}.txt", caption(drawn).encode())
    return ["pdf", "png", "txt"]


def summary(drawn: Drawn) -> str:
    """The text below the figure: what it shows, of how many runs."""
    runs = drawn.collection
    seeds = "one seed" if runs.seeds == 1 else f"{runs.seeds} seeds"
    text = f"{drawn.picture.notes} Scale: {runs.scale}; {seeds}; from {len(runs.done)} of {len(runs.found)} runs"
    text += f", on {'; '.join(runs.devices)}." if runs.devices else "."
    return text + "".join(f" Data: {note}." for note in runs.data_notes)


def caption(drawn: Drawn) -> str:
    """The caption file: the summary, the runs that went in, those that are missing and the command that makes them."""
    runs = drawn.collection
    lines = [f"{drawn.picture.title}.", summary(drawn), "", "Drawn from:"]
    lines += [f"  {run}  (commit {record.commit[:12]})" for run, record in runs.done.items()] or ["  nothing"]
    if runs.missing:
        lines += ["", "Missing:", *(f"  {run}" for run in runs.missing), "", how_to_train(runs)]
    return "\n".join(lines) + "\n"
