"""The measured parts of README.md, RESULTS.md and SPEED.md, from what is published (`make documents`).

A part lies between `<!-- made: NAME -->` and `<!-- end -->`; all else in these documents is written by hand.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from experiments.bench.table import markdown
from experiments.bench.timing import Row
from experiments.command import refusing, until_nobody_reads
from experiments.records import PUBLISHED, PUBLISHED_DEMO, files
from experiments.records.provenance import ROOT
from figures import claims
from figures.claims.published import table
from figures.claims.scores import fewer_vectors, newsgroups_row, small_bert, small_lead, small_rows, small_shift
from figures.pictures import newsgroups_row as newsgroups_row_picture
from figures.tables import TABLES, render
from figures.tables.table import fill

DOCUMENTS = ("README.md", "RESULTS.md", "docs/SPEED.md")
PICTURE = "docs/newsgroups.png"
BENCH = PUBLISHED / "bench-cpu.json"
GPU = PUBLISHED / "gpu-h100.json"


def demo() -> str:
    """The first half of Table 1 at the demo's scale, as `make table1` prints it, and how long its runs trained."""
    notes = "ECE_EM over 15 equal-mass bins, on the test set, before temperature scaling."
    before = replace(TABLES["table1"], blocks=TABLES["table1"].blocks[:1], notes=notes)
    filled = fill(before, "demo", PUBLISHED_DEMO)
    seconds = sum(record.result["seconds"] for record in filled.collection.done.values())
    text = render.markdown(filled).split("\n\n", 1)[1].strip()
    return f"{text} Training took {seconds / 60:.0f} minutes of one core."


def bench() -> str:
    """The published measurements of `make bench`, all but those that compare with nothing."""
    content = json.loads(BENCH.read_text(encoding="utf-8"))
    rows = [Row(**{key: value for key, value in row.items() if key != "ratio"}) for row in content["rows"]]
    return markdown([row for row in rows if row.other], content["costs"], content["notes"]).strip()


def gpu() -> str:
    """What a slot on a GPU measured of training."""
    found = json.loads(GPU.read_text(encoding="utf-8"))
    rates, roofline, tests = found["images_per_second"], found["roofline"], found["tests"]
    header = ["how", f"{found['net']}, images/s", f"share of {roofline:,} (%)"]
    rows = [[how, f"{rate:,}", f"{100 * rate / roofline:.0f}"] for how, rate in rates.items()]
    products = ", ".join(f"{rate:.0f} ({name})" for name, rate in found["matmul_tflops"].items())
    notes = (
        f"{found['card']}, torch {found['torch']}, {found['date']}.",
        f"It copies {found['copy_gb_per_second'] / 1000:.2f} TB/s, read and written,",
        f"and multiplies 8192 x 8192 matrices at {products} TFLOP/s.",
        f"Compilation takes {found['compile_seconds']:.0f} s.",
        f"Tests marked `gpu`: {tests['passed']} passed, {tests['failed']} failed.",
    )
    return f"{table(header, rows)}\n\n{' '.join(notes)}"


PARTS: dict[str, Callable[[], str]] = {
    "demo": demo,
    "newsgroups": newsgroups_row,
    "newsgroups_last_epoch": lambda: newsgroups_row("last_"),
    "fewer_vectors": fewer_vectors,
    "small_bert": small_bert,
    "small": small_rows,
    "small_lead": small_lead,
    "small_shift": small_shift,
    "bench": bench,
    "gpu": gpu,
    "status": claims.status,
    "verdicts": claims.verdicts,
    **{f"claim_{name}": claim.evidence for name, claim in claims.CLAIMS.items()},
}


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
    return {ROOT / name: filled_in((ROOT / name).read_text(encoding="utf-8")) for name in DOCUMENTS}


@refusing()
def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    argparse.ArgumentParser(prog="python -m figures.documents", description=__doc__).parse_args(arguments)
    for path, text in documents().items():
        files.write_bytes(path, text.encode())
        print(f"written: {path.relative_to(ROOT)}")
    if newsgroups_row_picture.write(ROOT / PICTURE):
        print(f"written: {PICTURE}")
    return 0


if __name__ == "__main__":
    sys.exit(until_nobody_reads(main))
