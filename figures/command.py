"""The command line that every table's module has."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from experiments import files, grid
from figures import render
from figures.tables import Filled, Table, fill, to_fill


def main(
    table: Table, arguments: list[str] | None = None, picture: Callable[[Filled, Path], None] | None = None
) -> int:
    """The command line of a table's module: write OUT/<scale>/<name>.{md,csv,tex} and print the table.

    Args:
        table: the table.
        arguments: of the command line; None takes the process's.
        picture: also draws it: called with the filled table and the folder to write to.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m figures.{table.name}", description=f"{table.title}, from run records."
    )
    parser.add_argument("--scale", default="demo", help=f"one of {', '.join(grid.PAIRS)} (default: demo)")
    parser.add_argument("--runs", metavar="DIR", type=Path, default=Path("runs"), help="run records (default: runs/)")
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("out"), help="where to write (default: out/)")
    options = parser.parse_args(arguments)
    try:
        filled = fill(table, options.scale, options.runs)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    folder = options.out / options.scale
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, write in (("md", render.markdown), ("csv", render.long_csv), ("tex", render.latex)):
        files.write_bytes(folder / f"{table.name}.{suffix}", write(filled).encode())
    print(render.markdown(filled))
    if hint := to_fill(filled):
        print(hint.strip("\n"))
    if picture:
        picture(filled, folder)
    print(f"written: {folder / table.name}.md, .csv, .tex{', .pdf, .png' if picture else ''}")
    return 0
