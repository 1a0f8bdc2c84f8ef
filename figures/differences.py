"""Why our numbers on 20 Newsgroups differ from the paper's: runs that change one thing at a time."""

import re
from statistics import mean

from experiments import grid
from experiments.recipes import recipe
from figures import paper, published
from figures.published import NEWSGROUPS, label, percent, table

OWN_VECTORS = "data_options.vectors=ppmi.newsgroups.100d.split0.txt"  # of `python -m data.cooccurrence`
OFTEN = "update_every=24"  # steps between two updates of gamma
LONGER = "epochs=50"

TEXT = """\
## Why 20 Newsgroups differs from the paper

The paper's CNN reads 100-d GloVe vectors. At hand was an excerpt of the 50-d ones, which {excerpt}.
So the same recipe was run with 100-d vectors of its own, made from the training documents alone
(`python -m data.cooccurrence newsgroups`), which {own}:

{vectors}

Rows with own vectors are of one seed. AdaFocal moves gamma once an epoch, {epochs} times in all, and the validation
NLL is lowest after epoch {turn} already. Moved more often, or in a longer run:

{variants}

{reading}
"""


def markdown() -> str:
    """The section of RESULTS.md."""
    history = published.record("adafocal").history
    return TEXT.format(
        excerpt=_coverage("ce"),
        own=_coverage("ce", (OWN_VECTORS,)),
        vectors=_vectors(),
        epochs=len(history),
        turn=int(history["epoch"][history["val_nll"].idxmin()]),
        variants=_variants(),
        reading=_reading(),
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
    return table(["%", "word vectors", *map(label, grid.TABLE_METHODS)], rows, 2)


def _variants() -> str:
    """Cross entropy and AdaFocal by word vectors, epochs and how often gamma moves."""
    rows = []
    for name, vectors in (("excerpt of GloVe", ()), ("own vectors", (OWN_VECTORS,))):
        for longer in ((), (LONGER,)):
            for often in ((), (OFTEN,)):
                ce, ours = (_scores("ce", (*vectors, *longer)), _scores("adafocal", (*vectors, *longer, *often)))
                if ours:
                    epochs = recipe(*NEWSGROUPS, "ce", "paper", longer).epochs
                    moves = f"every {OFTEN.partition('=')[2]} steps" if often else "every epoch"
                    rows.append([name, str(epochs), moves, *(ce or ["–"] * 3), *ours])
    header = ["word vectors", "epochs", "gamma moves"]
    header += [
        f"{method}: {score}" for method in ("CE", "AdaFocal") for score in ("ECE_EM (%)", "after (T)", "error (%)")
    ]
    return table(header, rows, 3)


def _scores(method: str, overrides: tuple[str, ...]) -> list[str]:
    """ECE_EM before temperature scaling, after it with T, and the error; empty where there is no run."""
    before, after, temperature, error = (
        published.overridden("paper", NEWSGROUPS, "+".join(overrides), column)[method]
        for column in ("test_ece_em", "test_scaled_ece_em", "temperature", "test_error")
    )
    return [percent(before), f"{100 * mean(after):.2f} ({mean(temperature):.1f})", percent(error)] if before else []


def _coverage(method: str, overrides: tuple[str, ...] = ()) -> str:
    """What a record notes on its word vectors: "covers 28.1 % of the vocabulary and ..."."""
    note = published.record(method, overrides=overrides).config["note"]
    return re.search(r"covers .*", note)[0]


def _reading() -> str:
    """What the tables say, in sentences; `tests/figures/test_documents.py` asserts what is no number in them."""
    theirs = {name: paper.cells()["table1", "before", *NEWSGROUPS, name].value for name in grid.TABLE_METHODS}
    once, often = _mean("adafocal", (OWN_VECTORS,)), _mean("adafocal", (OWN_VECTORS, OFTEN))
    lines = [
        f"**The word vectors make the error**: CE's falls from {_mean('ce', (), 'test_error')} to "
        f"{_mean('ce', (OWN_VECTORS,), 'test_error')} % (paper: "
        f"{paper.cells()['table2', 'error', *NEWSGROUPS, 'ce'].value:.2f} %), its ECE_EM from {_mean('ce', ())} to "
        f"{_mean('ce', (OWN_VECTORS,))} % (paper: {theirs['ce']:.2f} %).",
        f"**Gamma moves too seldom**: on own vectors AdaFocal's ECE_EM falls from {once} to {often} % (paper: "
        f"{theirs['adafocal']:.2f} %), the lowest of those measured on them.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _mean(method: str, overrides: tuple[str, ...], column: str = "test_ece_em") -> str:
    """Mean over seeds, in percent."""
    return f"{100 * mean(published.overridden('paper', NEWSGROUPS, '+'.join(overrides), column)[method]):.2f}"
