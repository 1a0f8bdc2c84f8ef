"""The command line that the module of every table and figure has."""

import argparse
import sys
from pathlib import Path

from experiments import scales
from figures import cache, products


def parser(prog: str, description: str) -> argparse.ArgumentParser:
    """The options that all of them take."""
    arguments = argparse.ArgumentParser(prog=prog, description=description)
    scales.add_option(arguments)
    arguments.add_argument("--runs", metavar="DIR", type=Path, default=Path("runs"), help="records (default: runs/)")
    arguments.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("out"), help="where to write (default: out/)"
    )
    return arguments


def main(name: str, arguments: list[str] | None = None) -> int:
    """The command line of a table's or figure's module: write its files to OUT/<scale>/ and say what it shows.

    Args:
        name: the module's.
        arguments: of the command line; None takes the process's.

    Returns:
        The exit status.
    """
    source = products.module(name)
    options = parser(f"python -m figures.{name}", f"{source.__doc__} From run records.").parse_args(arguments)
    options.scale = scales.resolve(options)
    folder = options.out / options.scale
    cache.use(options.out / ".cache")
    try:
        made = products.make(source, options.scale, options.runs, folder)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(made.shown)
    if made.hint:
        print(made.hint)
    print("written: " + ", ".join(str(folder / f"{name}.{suffix}") for suffix in made.suffixes))
    return 0
