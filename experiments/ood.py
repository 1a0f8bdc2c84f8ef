"""Out-of-distribution detection by the entropy of the softmax (Table 8, Figure 6): `python -m experiments.ood --help`.

Source: the paper's section "Out-of-Distribution (OOD) detection" and Appendix K.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from tqdm import tqdm

import data
from experiments import checkpoint, files, grid, records, scales
from experiments.build import build_model
from experiments.entropy import entropy, entropy_auroc, roc
from experiments.evaluate import predict
from experiments.grid import Run
from experiments.lock import RunIsLocked, only_writer
from experiments.records import PREDICTIONS, RESULT, Record
from experiments.speed import Speed, choose
from experiments.train import INTERRUPTED, REFUSED, add_common_options, pick_device

__all__ = ["NoCheckpoint", "entropy", "entropy_auroc", "evaluate", "lacking", "main", "roc", "sets_of"]
NEW = "predictions.new.npz"


class NoCheckpoint(ValueError):
    """A finished run whose final model is not on disk."""


def sets_of(dataset: str, names: Sequence[str] | None = None) -> dict[str, str]:
    """The sets to score: the name each has in the record, and what `data.load_ood` takes.

    Args:
        dataset: the in-distribution dataset.
        names: keys of `data.OOD` or folders, which are named by their last part; None takes those of `data.FACTS`.

    Raises:
        ValueError: a set that is unknown or unsuitable, or a name that cannot stand in a record.
    """
    if not names and not data.FACTS[dataset].ood:
        raise ValueError(f"a table compares {dataset} with no out-of-distribution set: name one with --ood")
    sets: dict[str, str] = {}
    for place in names or data.FACTS[dataset].ood:
        data.check_ood(place, dataset)
        name = place if place in data.OOD else os.path.basename(os.path.abspath(place))
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise ValueError(f"rename the folder {place}: a set's name may have letters, digits, '_', '.' and '-' only")
        if sets.setdefault(name, place) != place or (name in data.OOD and name != place):
            raise ValueError(f"rename the folder {place}: there is another set called {name}")
    return sets


def evaluate(
    run: Run,
    data_root: str | None = None,
    runs: Path = Path("runs"),
    device: torch.device | str = "cpu",
    names: Sequence[str] | None = None,
    *,
    download: bool = False,
    seed: int = 0,
    max_images: int | None = None,
    again: bool = False,
    say: Callable[[str], None] = print,
) -> dict[str, dict]:
    """Add what a finished run's final model makes of out-of-distribution images to its record, unless it is there.

    `predictions.npz` gets `ood_<name>_logits` [M, K] float32 beside the arrays it has, and `result.json` "ood".
    The record is valid whenever the process is killed, and nothing is written before all sets are scored.

    Args:
        run: the run.
        data_root: where datasets lie; None takes `data.data_root`'s default.
        runs: the folder of run records.
        device: where to predict.
        names: see `sets_of`.
        download: fetch what is missing, where that is possible.
        seed: of the sets' noise and patches, see `data.load_ood`.
        max_images: see `data.load_ood`.
        again: score sets that are there already, too.
        say: gets a line for what the user should know.

    Returns:
        By set, those that were there included: "auroc" and, after temperature scaling, "auroc_scaled" (fractions),
        "samples", "note", "sha256" of the images.

    Raises:
        ValueError: what `sets_of` and `data.load_ood` refuse, an unfinished run, NaN or infinite logits;
            `NoCheckpoint`; `records.RecordError` for a damaged record.
        RunIsLocked: another process is writing the record.
    """
    folder, sets = run.folder(runs), sets_of(run.dataset, names)
    record = _finished(run, Path(runs))
    if again or lacking(record, sets):
        if record.folder != folder:
            raise _no_checkpoint(run, record.folder, "is published without its checkpoint", "train it again")
        if not any((folder / name).exists() for name in (checkpoint.CURRENT, checkpoint.PREVIOUS)):
            raise _no_checkpoint(run, folder, "has no checkpoint")
        with only_writer(folder):
            record = records.read(folder, run)
            todo = sets if again else {name: sets[name] for name in lacking(record, sets)}
            logits, entries = {}, {}
            speed = _as_trained(record, torch.device(device))
            model = speed.layout(_final_model(run, record, say).to(device))
            in_test = _test(run, data_root, download)
            for name, place in todo.items():
                split = data.load_ood(place, run.dataset, data_root, seed, download, max_images, in_test)
                logits[name] = predict(model, split.to(device), run.recipe.eval_batch_size, speed=speed).cpu().numpy()
                scores = _scores(record, logits[name])
                entries[name] = {**scores, "samples": len(split), "note": split.note, "sha256": split.fingerprint}
            _store(record, logits, entries)
            record = records.read(folder, run)
    return {name: record.result["ood"][name] for name in sets}


def lacking(record: Record, names) -> list[str]:
    """The sets whose logits or scores a record has not."""
    scored, arrays = record.result.get("ood", {}), record.predictions
    return [name for name in names if name not in scored or f"ood_{name}_logits" not in arrays]


def _finished(run: Run, runs: Path) -> Record:
    for root in (runs, records.PUBLISHED):
        if records.is_finished(run.folder(root)):
            return records.read(run.folder(root), run)
    raise ValueError(f"{run.folder(runs)} holds no finished run; train it first: {run.command}")


def _no_checkpoint(run: Run, folder: Path, reason: str, how: str = "move it away and train it again") -> NoCheckpoint:
    return NoCheckpoint(f"{run}: {folder} {reason}; {how}: {run.command}")


def _final_model(run: Run, record: Record, say: Callable[[str], None]) -> torch.nn.Module:
    if run.recipe.threads:
        torch.set_num_threads(run.recipe.threads)
    state = checkpoint.load(record.folder, say)
    if state is None:
        raise _no_checkpoint(run, record.folder, "has no sound checkpoint")
    identity = {name: state["identity"][name] for name in ("recipe", "seed")}
    if state["epoch"] != record.result["epochs"] or identity != {name: record.config[name] for name in identity}:
        raise _no_checkpoint(run, record.folder, "has no checkpoint of the final model")
    # the model's classes are all that it needs to know of the in-distribution images
    model = build_model(run.recipe, SimpleNamespace(num_classes=len(record.config["classes"])))
    try:
        model.load_state_dict((state["best"] or state)["model"])
    except RuntimeError as error:
        reason = f"has a checkpoint of another {run.model} ({str(error).splitlines()[-1].strip()})"
        raise _no_checkpoint(run, record.folder, reason) from None
    return model


def _as_trained(record: Record, device: torch.device) -> Speed:
    """The precision that gave the test set's logits, which a table compares these with."""
    precision = record.config["environment"].get("precision", "float32")
    if precision == "tf32" and device.type == "cpu":
        precision = "float32"  # the nearest that a CPU has
    return choose(precision, False, device)


def _test(run: Run, data_root: str | None, download: bool) -> Callable[[], data.Split]:
    """Loads the run's own test split."""
    recipe = run.recipe
    return lambda: data.load(recipe.dataset, data_root, recipe.split_seed, download, **recipe.data_options).test


def _scores(record: Record, ood_logits: np.ndarray) -> dict[str, float]:
    temperature, in_logits = record.result["temperature"], record.predictions["test_logits"].astype(np.float64)
    return {
        "auroc": entropy_auroc(in_logits, ood_logits),
        "auroc_scaled": entropy_auroc(in_logits / temperature, ood_logits.astype(np.float64) / temperature),
    }


def _store(record: Record, logits: dict[str, np.ndarray], entries: dict[str, dict]) -> None:
    """Replace predictions.npz and result.json such that they fit each other at every moment.

    result.json first takes the new file's SHA-256 beside the old one's, and loses the scores that are replaced, so
    that a run killed here is scored again; then predictions.npz is replaced; then result.json gets its final form.
    """
    folder, sums = record.folder, record.result["sha256"]
    arrays = record.predictions | {f"ood_{name}_logits": array for name, array in logits.items()}
    scored = {name: entry for name, entry in record.result.get("ood", {}).items() if name not in entries}
    old = files.sha256((folder / PREDICTIONS).read_bytes())
    try:
        new = files.write_npz(folder / NEW, arrays)  # a full disk shows here, before anything else has changed
        files.write_json(folder / RESULT, {**record.result, "sha256": sums | {PREDICTIONS: [old, new]}, "ood": scored})
        os.replace(folder / NEW, folder / PREDICTIONS)
        files.sync_folder(folder)
        files.write_json(
            folder / RESULT, {**record.result, "sha256": sums | {PREDICTIONS: new}, "ood": scored | entries}
        )
    finally:
        (folder / NEW).unlink(missing_ok=True)


def describe(name: str, entry: dict, temperature: float) -> str:
    """One line on a set's scores."""
    return (
        f"{name}: AUROC {entry['auroc']:.4f} before and {entry['auroc_scaled']:.4f} after temperature scaling "
        f"(T = {temperature:.1f}), {entry['samples']:,} images ({entry['note']})"
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
        if not options.again and not lacking(record, sets_of(run.dataset, options.ood)):
            there += 1
            continue
        try:
            entries = _evaluate(run, options, say)
        except (NoCheckpoint, RunIsLocked) as error:
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
    return evaluate(
        run,
        options.data_root,
        options.runs,
        options.device,
        options.ood,
        download=options.download,
        again=options.again,
        say=say,
    )


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
        help=f"{sets}; or a folder of images (default: what the paper's table has for the dataset)",
    )
    parser.add_argument("--again", action="store_true", help="score sets again that the record has")
    add_common_options(parser)
    return parser


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
            for dataset in dict.fromkeys(run.dataset for run in runs):
                sets_of(dataset, options.ood)
            _evaluate_all(runs, options)
            return 0
        for option, value in of_one.items():
            if value is None:
                raise ValueError(f"name one run by --dataset, --model and --method, or a table by --for: no {option}")
        run = Run.make(options.scale, *of_one.values(), options.seed or 0, tuple(options.overrides or ()))
        entries = _evaluate(run, options)
        temperature = _finished(run, options.runs).result["temperature"]
        for name, entry in entries.items():
            print(describe(name, entry, temperature))
    except (ValueError, RunIsLocked, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("stopped; the same command goes on with what is missing", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
