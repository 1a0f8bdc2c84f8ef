"""`python -m figures table1 fig5`: make tables and figures from run records."""

import argparse

from experiments import scales
from experiments.command import add_out, add_runs, refusing
from figures import cache, outputs


def parser(prog: str, description: str) -> argparse.ArgumentParser:
    """The options of the commands that make tables and figures."""
    arguments = argparse.ArgumentParser(prog=prog, description=description)
    scales.add_option(arguments)
    add_runs(arguments)
    add_out(arguments)
    return arguments


@refusing()
def main(arguments: list[str] | None = None) -> int:
    """Write the files of the named tables and figures to OUT/<scale>/ and say what they show; the exit status."""
    options = parser("python -m figures", "Make tables and figures from run records; nothing is trained.")
    options.add_argument("names", metavar="NAME", nargs="+", help=f"of {', '.join(outputs.names())}")
    options = options.parse_args(arguments)
    scale = scales.resolve(options)
    folder = options.out / scale
    cache.use(options.out / ".cache")
    for name in options.names:
        outputs.check(name)
    for name in options.names:
        made = outputs.make(name, scale, options.runs, folder)
        print(made.shown)
        if made.hint:
            print(made.hint)
        print("written: " + ", ".join(str(folder / f"{name}.{suffix}") for suffix in made.suffixes))
    return 0
