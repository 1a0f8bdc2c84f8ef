"""Tables and figures alike: made from records and written to a folder, by a name that is their module's."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from experiments import files, grid
from figures import picture, render
from figures.collect import Collection, Find, collect, how_to_train
from figures.picture import Picture
from figures.tables import Filled, fill, to_fill

SUFFIXES = {"md": render.markdown, "csv": render.long_csv, "tex": render.latex}  # what a table is written as


@dataclass(frozen=True)
class Made:
    """A table or figure that was made and written.

    Attributes:
        name: its name.
        title: its title.
        suffixes: of the files NAME.<suffix> that were written.
        collection: the records in it.
        shown: the table as Markdown, or what the figure shows.
        hint: the commands that make what is missing; "" where nothing is.
        table: the filled table; None for a figure.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    collection: Collection
    shown: str
    hint: str
    table: Filled | None = None


def names() -> list[str]:
    """Every table and figure, in the order in which they are shown."""
    return list(grid.EXPERIMENTS)


def module(name: str) -> ModuleType:
    """The module of a table, which has a `TABLE`, or of a figure, which has a `PICTURE`."""
    return importlib.import_module(f"figures.{name}")


def make(source: ModuleType, scale: str, find: Find | Path, folder: Path) -> Made:
    """Make a table or figure from the records of one scale and write its files to `folder`.

    Args:
        source: its module.
        scale: one of `scales.SCALES`.
        find: gives the record of a run, or the folder of the records.
        folder: where to write; made where it is missing.

    Raises:
        ValueError: an unknown scale.
    """
    if hasattr(source, "PICTURE"):
        return _make_picture(source.PICTURE, scale, find, folder)
    filled = fill(source.TABLE, scale, find)
    name = filled.table.name
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, text in SUFFIXES.items():
        files.write_bytes(folder / f"{name}.{suffix}", text(filled).encode())
    drawn = getattr(source, "picture", lambda filled, folder: [])(filled, folder)
    suffixes = (*SUFFIXES, *drawn)
    shown = render.markdown(filled)
    return Made(name, filled.table.title, suffixes, filled.collection, shown, to_fill(filled), filled)


def _make_picture(wanted: Picture, scale: str, find: Find | Path, folder: Path) -> Made:
    collection = collect(wanted.name, scale, find, wanted.needs)
    suffixes = picture.write(wanted, collection, folder)
    shown = picture.summary(wanted, collection)
    return Made(wanted.name, wanted.title, suffixes, collection, shown, how_to_train(collection))
