"""RESULTS.md: the paper's claims beside the published records (`make documents`)."""

import re
from statistics import mean

from experiments import grid
from experiments.recipes import recipe
from experiments.records import PUBLISHED
from figures import paper, published
from figures.claims import Claim, claims
from figures.published import NEWSGROUPS, label, markdown, percent
from figures.table1 import TABLE as TABLE1
from figures.table2 import TABLE as TABLE2
from figures.tables import fill

OWN_VECTORS = "data_options.vectors=ppmi.newsgroups.100d.split0.txt"  # of `python -m data.cooccurrence`
OFTEN = "update_every=24"  # steps between two updates of gamma

INTRO = """\
# The paper's claims, re-measured

Written by `make documents` from the records in `experiments/results/`: no measured number is typed in. Three settings
stand behind it.

{settings}

Measured: {measured} of the paper's {pairs} dataset-model pairs; the others wait for a GPU. ECE_EM has 15 equal-mass
bins and is of the test set, before temperature scaling unless said; ± is the sample standard deviation over seeds.
"""

DIFFERENCES = """\
## Why 20 Newsgroups differs from the paper

The paper's CNN reads 100-d GloVe vectors. At hand was an excerpt of the 50-d ones, which {excerpt}.
So the same recipe was run with 100-d vectors of its own, made from the training documents alone
(`python -m data.cooccurrence newsgroups`), which {own}:

{vectors}

Rows with own vectors are of one seed. AdaFocal moves gamma once an epoch, {epochs} times in all, and the validation
NLL is lowest after epoch {turn} already. Moved every {every} steps:

{updates}
"""


def document() -> str:
    """The whole document."""
    found = claims()
    summary = markdown(
        ["", "claim", "verdict", "from"],
        ([str(i), claim.title, claim.verdict, claim.extent] for i, claim in enumerate(found, start=1)),
        4,
    )
    details = "\n\n".join(_section(i, claim) for i, claim in enumerate(found, start=1))
    tables = "\n\n".join(f"`make table1 table2 SCALE={scale}`:\n\n{newsgroups(scale)}" for scale in ("paper", "quick"))
    full = f"## 20 Newsgroups, CNN, in full\n\nTest set, %, in square brackets the paper's number.\n\n{tables}\n"
    return "\n".join([_intro(), summary, "", "## Claim by claim", "", details, "", full, _differences()])


def _intro() -> str:
    epochs = {scale: recipe(*NEWSGROUPS, "ce", scale).epochs for scale in ("paper", "quick")}
    paper_net = (
        f"the CNN on 20 Newsgroups: the paper's data, net and schedule ({epochs['paper']} epochs), other vectors"
    )
    demo = (
        "four small nets on embedded digits and generated texts: an illustration, no evidence for the paper's numbers"
    )
    settings = (
        ("paper", NEWSGROUPS, paper_net),
        ("quick", NEWSGROUPS, f"the same with a fifth of the epochs ({epochs['quick']})"),
        ("demo", grid.PAIRS["demo"][0], demo),
    )
    rows = [
        [f"`{scale}`", what, published.seeds(published.values(scale, "test_error")[pair])]
        for scale, pair, what in settings
    ]
    measured, pairs = published.measured()
    table = markdown(["scale", "what it is", "seeds"], rows, 3)
    return INTRO.format(settings=table, measured=measured, pairs=pairs)


def _section(number: int, claim: Claim) -> str:
    title = f"### {number}. {claim.title}"
    return (
        f"{title}\n\n**{claim.verdict.capitalize()}**: {claim.extent}. Shown by {claim.shown_by}.\n\n{claim.evidence}"
    )


def _coverage(method: str, overrides: tuple[str, ...] = ()) -> str:
    """What a record notes on its word vectors: "covers 28.1 % of the vocabulary and ..."."""
    note = published.record(method, overrides=overrides).config["note"]
    return re.search(r"covers .*", note)[0]


def newsgroups(scale: str) -> str:
    """Tables 1 and 2 of the newsgroups CNN at one scale, a row a score, and what its word vectors were."""
    before_after, error = fill(TABLE1, scale, PUBLISHED), fill(TABLE2, scale, PUBLISHED)
    rows = []
    for filled, block, name in (
        (before_after, "before", "ECE_EM before"),
        (before_after, "after", "ECE_EM after (T)"),
        (error, "error", "error"),
    ):
        cells = filled.cells[block][NEWSGROUPS]
        rows.append([name, *(cells[column.key].text(filled.collection.seeds) for column in TABLE1.columns)])
    notes = "".join(f"\n\nWord vectors: {note}." for note in error.collection.data_notes)
    return markdown(["", *(column.title for column in TABLE1.columns)], rows) + notes


def _differences() -> str:
    history = published.record("adafocal").history
    return DIFFERENCES.format(
        excerpt=_coverage("ce"),
        own=_coverage("ce", (OWN_VECTORS,)),
        vectors=_vectors(),
        epochs=len(history),
        turn=int(history["epoch"][history["val_nll"].idxmin()]),
        every=OFTEN.partition("=")[2],
        updates=_updates(),
    )


def _vectors() -> str:
    """Scores of all methods: the paper's, and those with either word vectors."""
    rows = []
    for title, column, theirs in (
        ("ECE_EM before", "test_ece_em", ("table1", "before")),
        ("ECE_EM after", "test_scaled_ece_em", ("table1", "after")),
        ("error", "test_error", ("table2", "error")),
    ):
        cells = [paper.cells()[*theirs, *NEWSGROUPS, name] for name in grid.TABLE_METHODS]
        rows.append([title, "the paper", *(f"{cell.value:.2f}" for cell in cells)])
        for name, overrides in (("excerpt of GloVe", ""), ("own vectors", OWN_VECTORS)):
            shares = published.overridden("paper", NEWSGROUPS, overrides, column)
            rows.append([title, name, *(percent(shares[m]) if shares[m] else "–" for m in grid.TABLE_METHODS)])
    return markdown(["%", "word vectors", *map(label, grid.TABLE_METHODS)], rows, 2)


def _updates() -> str:
    """AdaFocal by how often gamma moves."""
    columns = {"test_ece_em": 100, "test_scaled_ece_em": 100, "temperature": 1, "test_error": 100}
    rows = []
    for name, vectors in (("excerpt of GloVe", ()), ("own vectors", (OWN_VECTORS,))):
        for how, often in (("every epoch", ()), (f"every {OFTEN.partition('=')[2]} steps", (OFTEN,))):
            shares = {
                column: published.overridden("paper", NEWSGROUPS, "+".join((*vectors, *often)), column)["adafocal"]
                for column in columns
            }
            if shares["test_error"]:
                shown = [f"{scale * mean(shares[column]):.2f}" for column, scale in columns.items()]
                rows.append([name, how, str(len(shares["test_error"])), *shown])
    header = ["word vectors", "gamma moves", "seeds", "ECE_EM before (%)", "after (%)", "T", "error (%)"]
    return markdown(header, rows, 3)
