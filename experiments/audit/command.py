"""The command line of the audit."""

import argparse

import numpy as np

from calibration.checks import check_num_bins
from experiments.audit import many, single
from experiments.command import REFUSED, a_path, refusing
from posthoc import CALIBRATORS, build

EPILOG = """examples:
  python -m experiments.audit test.npz --val val.npz --out report.html
  python -m experiments.audit a.npz b.npz runs/paper/cifar10 --out comparison.html

several files: a row a model, in one page and one CSV beside it (fractions; NLL in nats). T is fitted, and the best
calibrator chosen by 2-fold cross-validation, on validation predictions alone: those in the file itself (val_logits,
val_labels), as in run records, or NAME-val.npz (or .csv) beside NAME.npz. Without them these columns stay empty.
A folder stands for the .npz files and tables in it and for the finished run records at any depth below it.
A broken file is named and left out, the others go on, and the exit status is 2."""


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(
        prog="python -m experiments.audit",
        description="Print every calibration score of a set of predictions with bootstrap 95% intervals, and what "
        "post-hoc calibrators fitted to validation predictions make of it; write a page with reliability diagrams. "
        "With several files, or a folder: compare them, a row a model.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "predictions",
        nargs="+",
        type=a_path,
        help="an .npz with logits [N, K] and labels [N], a run's predictions.npz (val_logits, test_logits, ...), or a "
        "CSV (commas, semicolons or tabs) with a column `label` and a column a class; several, or folders of them",
    )
    made.add_argument(
        "--val", metavar="FILE", type=a_path, help="validation predictions of one file, to fit the calibrators to"
    )
    made.add_argument(
        "--out",
        metavar="FILE",
        type=a_path,
        help="write the report there as one page of HTML; a folder will do. Several files: and as a CSV of the same "
        "name (default: audit.html and audit.csv)",
    )
    made.add_argument(
        "--calibrators",
        metavar="NAME",
        nargs="+",
        help=f"of {', '.join(CALIBRATORS)} (default: all, without those that have too many parameters for the classes)",
    )
    made.add_argument("--num-bins", type=int, default=15, help="bins of the binned scores (default: 15)")
    made.add_argument(
        "--resamples", type=int, default=1000, help="bootstrap resamples of one file's report (default: 1000)"
    )
    made.add_argument("--seed", type=int, default=0, help="of the bootstrap and the cross-validation (default: 0)")
    made.add_argument(
        "--probabilities",
        action="store_true",
        help="the files hold probabilities instead of logits; nothing is guessed",
    )
    made.add_argument(
        "--binary",
        action="store_true",
        help="the files hold one column for two classes: a logit z means [0, z], with --probabilities p means "
        "[1 - p, p]; files of more columns are refused",
    )
    return made


@refusing()
def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = parser().parse_args(arguments)
    for name in options.calibrators or ():
        build(name)
    if len(options.predictions) == 1 and not options.predictions[0].is_dir():
        single.report(options)
        return 0
    check_num_bins(options.num_bins)
    np.random.default_rng(options.seed)
    return REFUSED if many.report(options) else 0
