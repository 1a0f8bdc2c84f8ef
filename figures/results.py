"""RESULTS.md: the paper's claims beside the published records (`make documents`)."""

from dataclasses import replace

from experiments import grid, records
from experiments.grid import Run
from experiments.records import PUBLISHED, Record
from figures import differences, published
from figures.claims import Claim, claims
from figures.published import NEWSGROUPS, table
from figures.table1 import TABLE as TABLE1
from figures.table2 import TABLE as TABLE2
from figures.tables import fill

INTRO = """\
# The paper's claims, re-measured

Written by `make documents` from the records in `experiments/results/`: no measured number is typed in. Three settings
stand behind it.

{settings}

Measured: {measured} of the paper's {pairs} dataset-model pairs; the others wait for a GPU. ECE_EM has 15 equal-mass
bins and is of the test set, before temperature scaling unless said; ± is the sample standard deviation over seeds.
`make` trains the demo with {trained} seeds (ablations: 1), which the README shows; here all published ones count. A
claim on many nets is "partly" at best while few of them are measured.
"""

FULL = """\
## 20 Newsgroups, CNN, in full

Test set, %: mean ± sample standard deviation over seeds (n of them, where not as many as the scale wants), in round
brackets T, in square brackets the paper's number. The lowest mean of a row is bold.

{tables}
"""


def document() -> str:
    """The whole document."""
    found = claims()
    summary = table(
        ["", "claim", "verdict", "from"],
        ([str(i), claim.title, claim.verdict, claim.extent] for i, claim in enumerate(found, start=1)),
        4,
    )
    details = "\n\n".join(_section(i, claim) for i, claim in enumerate(found, start=1))
    tables = "\n\n".join(f"`make table1 table2 SCALE={scale}`:\n\n{newsgroups(scale)}" for scale in ("paper", "quick"))
    full = FULL.format(tables=tables)
    return "\n".join([_intro(), summary, "", "## Claim by claim", "", details, "", full, differences.markdown()])


def _intro() -> str:
    full, fifth = published.epochs("paper"), published.epochs("quick")
    settings = (
        ("paper", NEWSGROUPS, f"20 Newsgroups, CNN: the paper's data, net and schedule ({full} epochs), other vectors"),
        ("quick", NEWSGROUPS, f"the same with a fifth of the epochs ({fifth})"),
        ("demo", grid.PAIRS["demo"][0], "four small nets on embedded digits and generated texts: an illustration"),
    )
    rows = [
        [f"`{scale}`", what, published.seeds(published.values(scale, "test_error")[pair])]
        for scale, pair, what in settings
    ]
    measured, pairs = published.measured()
    return INTRO.format(
        settings=table(["scale", "what it is", "seeds"], rows, 3),
        measured=measured,
        pairs=pairs,
        trained=grid.SEEDS["demo"],
    )


def _section(number: int, claim: Claim) -> str:
    verdict = f"**{claim.verdict.capitalize()}**: {claim.extent}. Shown by {claim.shown_by}."
    return f"### {number}. {claim.title}\n\n{verdict}\n\n{claim.evidence}"


def newsgroups(scale: str, overrides: tuple[str, ...] = ()) -> str:
    """Tables 1 and 2 of the newsgroups CNN at one scale, a row a score, and what its word vectors were.

    Args:
        scale: one of `grid.PAIRS`.
        overrides: the runs' changes to the recipe, "key=value".
    """

    def find(run: Run) -> Record | None:
        return records.find(replace(run, overrides=overrides), PUBLISHED)

    before_after, error = fill(TABLE1, scale, find), fill(TABLE2, scale, find)
    rows = []
    for filled, block, name in (
        (before_after, "before", "ECE_EM before"),
        (before_after, "after", "ECE_EM after (T)"),
        (error, "error", "error"),
    ):
        cells = filled.cells[block][NEWSGROUPS]
        rows.append([name, *(cells[column.key].text(filled.collection.seeds) for column in TABLE1.columns)])
    notes = "".join(f"\n\nWord vectors: {note}." for note in error.collection.data_notes)
    return table(["", *(column.title for column in TABLE1.columns)], rows) + notes
