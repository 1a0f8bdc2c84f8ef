"""The measured parts of README.md and SPEED.md, and RESULTS.md, from what is published (`make documents`).

A part lies between `<!-- made: NAME -->` and `<!-- end -->`.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

from experiments import files
from experiments.bench.table import markdown
from experiments.bench.timing import Row
from experiments.provenance import ROOT
from experiments.records import PUBLISHED, PUBLISHED_DEMO
from figures import differences, render, results
from figures.table1 import TABLE as TABLE1
from figures.tables import fill

BENCH = PUBLISHED / "bench-cpu.json"


def demo() -> str:
    """Table 1 at the demo's scale, as `make table1` prints it, and how long its runs trained."""
    filled = fill(TABLE1, "demo", PUBLISHED_DEMO)
    seconds = sum(record.result["seconds"] for record in filled.collection.done.values())
    text = render.markdown(filled).split("\n\n", 1)[1].strip()
    return f"{text} Training took {seconds / 60:.0f} minutes of one core."


def newsgroups() -> str:
    """Tables 1 and 2 of the newsgroups CNN at the paper's schedule."""
    return results.newsgroups("paper")


def newsgroups_longer() -> str:
    """The same with vectors that cover nearly every word, and trained for longer."""
    return results.newsgroups("paper", differences.LONGER)


def bench() -> str:
    """The published measurements of `make bench`, all but those that compare with nothing."""
    content = json.loads(BENCH.read_text())
    rows = [Row(**{key: value for key, value in row.items() if key != "ratio"}) for row in content["rows"]]
    return markdown([row for row in rows if row.other], content["costs"], content["notes"]).strip()


PARTS: dict[str, Callable[[], str]] = {part.__name__: part for part in (demo, newsgroups, newsgroups_longer, bench)}


def filled_in(text: str) -> str:
    """A document's text with its parts made anew.

    Raises:
        ValueError: a part that nobody knows how to make.
    """

    def made(match: re.Match) -> str:
        if match[1] not in PARTS:
            raise ValueError(f"unknown part {match[1]!r}: choose from {', '.join(PARTS)}")
        return f"<!-- made: {match[1]} -->\n{PARTS[match[1]]()}\n<!-- end -->"

    return re.sub(r"<!-- made: (\w+) -->\n.*?\n?<!-- end -->", made, text, flags=re.DOTALL)


def documents() -> dict[Path, str]:
    """Every document with measured numbers, and what it should say."""
    with_parts = (ROOT / "README.md", ROOT / "experiments" / "SPEED.md")
    return {path: filled_in(path.read_text()) for path in with_parts} | {ROOT / "RESULTS.md": results.document()}


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    argparse.ArgumentParser(prog="python -m figures.documents", description=__doc__).parse_args(arguments)
    for path, text in documents().items():
        files.write_bytes(path, text.encode())
        print(f"written: {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
