"""Tables and figures alike: made from records and written to a folder."""

from dataclasses import dataclass
from pathlib import Path

from experiments import grid
from experiments.records import files
from figures.collect import Collection, Find, collect, how_to_train
from figures.pictures import PICTURES, picture
from figures.pictures.picture import Picture
from figures.tables import TABLES, render
from figures.tables.table import Filled, fill, to_fill

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


def check(name: str) -> None:
    """Refuse a name that is no table's or figure's: ValueError listing the choices."""
    if name not in TABLES and name not in PICTURES:
        raise ValueError(f"unknown table or figure {name!r}: choose from {', '.join(names())}")


def make(name: str, scale: str, find: Find | Path, folder: Path) -> Made:
    """Make a table or figure from the records of one scale and write its files to `folder`.

    Args:
        name: a key of `TABLES` or `PICTURES`.
        scale: one of `scales.SCALES`.
        find: gives the record of a run, or the folder of the records.
        folder: where to write; made where it is missing.

    Raises:
        ValueError: an unknown name or scale.
    """
    check(name)
    if name in PICTURES:
        return _make_picture(PICTURES[name], scale, find, folder)
    table = TABLES[name]
    filled = fill(table, scale, find)
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, text in SUFFIXES.items():
        files.write_bytes(folder / f"{name}.{suffix}", text(filled).encode())
    drawn = table.draw(filled, folder) if table.draw else ()
    shown = render.markdown(filled)
    return Made(name, table.title, (*SUFFIXES, *drawn), filled.collection, shown, to_fill(filled), filled)


def _make_picture(wanted: Picture, scale: str, find: Find | Path, folder: Path) -> Made:
    collection = collect(wanted.name, scale, find, wanted.needs)
    suffixes = picture.write(wanted, collection, folder)
    shown = picture.summary(wanted, collection)
    return Made(wanted.name, wanted.title, suffixes, collection, shown, how_to_train(collection))
