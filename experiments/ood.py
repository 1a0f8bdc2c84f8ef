"""Out-of-distribution and shifted images (Table 8, Fig. 6, shift): `python -m experiments.ood --help`."""

import argparse
import os
import sys
from collections.abc import Callable

from tqdm import tqdm

import data
from calibration.ood import entropy, entropy_auroc, roc
from experiments import grid, records, scales
from experiments.command import INTERRUPTED, add_session_options, pick_device, refusing, until_nobody_reads
from experiments.grid import Run
from experiments.records.lock import RunIsLocked
from experiments.training.ood import NoCheckpoint, evaluate, find, lacking, sets_of
from experiments.training.session import Session

__all__ = ["NoCheckpoint", "entropy", "entropy_auroc", "evaluate", "lacking", "main", "roc", "sets_of"]


def describe(name: str, entry: dict, temperature: float) -> str:
    """One line on a set's scores."""
    scores = f"AUROC {entry['auroc']:.4f} before and {entry['auroc_scaled']:.4f} after"
    if "error" in entry:
        shown = (f"{100 * entry[key]:.2f} %" for key in ("error", "ece_em", "ece_em_scaled"))
        scores = "error {}, ECE_EM {} before and {} after".format(*shown)
    return (
        f"{name}: {scores} temperature scaling (T = {temperature:.1f}), {entry['samples']:,} images ({entry['note']})"
    )


def _evaluate_all(runs: list[Run], options) -> None:
    """Score the finished runs of a table in turn; those that cannot be are counted and, if finished, named."""
    bar = tqdm(runs, unit="run", disable=None)
    done = there = untrained = skipped = 0

    def say(text: str) -> None:
        tqdm.write(text, file=sys.stdout)

    for run in bar:
        record = records.find(run, options.runs)
        if record is None:
            untrained += 1
            continue
        try:
            if not options.again and not lacking(record, sets_of(run.dataset, options.ood)):
                there += 1
                continue
            entries = _evaluate(run, options, say)
        except (NoCheckpoint, RunIsLocked, records.RecordError) as error:
            skipped += 1
            say(f"skipped: {error}")
            continue
        done += 1
        for name, entry in entries.items():
            say(f"{run}: {describe(name, entry, record.result['temperature'])}")
    print(
        f"{options.name}: scored {done} of {len(runs)} runs of scale {options.scale}; {there} had their scores, "
        f"{untrained} are not trained, {skipped} skipped"
    )


def _evaluate(run: Run, options, say: Callable[[str], None] = print) -> dict[str, dict]:
    return evaluate(run, Session.of(options, say=say), options.ood, again=options.again)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.ood",
        description="Give out-of-distribution images to the final model of a finished run, or of all finished runs of "
        "a table, and add the logits and the AUROC to the run's record. What is there already is not computed again.",
        epilog="example: python -m experiments.ood --for table8 --scale demo; or, for one run: python -m "
        "experiments.ood --dataset cifar10 --model resnet110 --method adafocal --seed 0 --scale paper --ood svhn",
    )
    parser.add_argument("--for", dest="name", help=f"all runs of one of {', '.join(grid.EXPERIMENTS)}")
    for name in ("dataset", "model", "method"):
        parser.add_argument(f"--{name}", help=f"of one run: its {name}")
    parser.add_argument("--seed", type=int, help="of one run: its seed (default: 0)")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", dest="overrides", help="of one run: what it was trained with"
    )
    scales.add_option(parser)
    sets = "; ".join(f"{name} (for {', '.join(loader.fits)})" for name, loader in data.OOD.items())
    parser.add_argument(
        "--ood",
        metavar="NAME_OR_DIR",
        action="extend",
        nargs="+",
        type=os.path.expanduser,
        help=f"{sets}; or a folder of images (default: what the paper's table has for the dataset)",
    )
    parser.add_argument("--again", action="store_true", help="score sets again that the record has")
    scales.add_if_tables_train(parser)
    add_session_options(parser)
    return parser


@refusing(RunIsLocked)
def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _arguments().parse_args(arguments)
    try:
        options.device = pick_device(options.device)
        options.scale = scales.resolve(options)
        of_one = {f"--{name}": getattr(options, name) for name in ("dataset", "model", "method")}
        if options.name:
            for option, value in {**of_one, "--seed": options.seed, "--set": options.overrides}.items():
                if value is not None:
                    raise ValueError(f"--for takes all runs of {options.name}: leave {option} out")
            runs = grid.runs_of(options.name, options.scale)
            options.ood = options.ood or grid.experiment(options.name, options.scale).ood
            if scales.is_left_to_the_user(options):
                return 0
            for dataset in dict.fromkeys(run.dataset for run in runs):
                sets_of(dataset, options.ood)
            _evaluate_all(runs, options)
            return 0
        for option, value in of_one.items():
            if value is None:
                raise ValueError(f"name one run by --dataset, --model and --method, or a table by --for: no {option}")
        run = Run.make(options.scale, *of_one.values(), options.seed or 0, tuple(options.overrides or ()))
        entries = _evaluate(run, options)
        temperature = find(run, options.runs).result["temperature"]
        for name, entry in entries.items():
            print(describe(name, entry, temperature))
    except KeyboardInterrupt:
        print("stopped; the same command goes on with what is missing", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(until_nobody_reads(main))
