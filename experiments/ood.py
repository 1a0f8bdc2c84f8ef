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
from experiments import checkpoint, files, grid, records
from experiments.entropy import entropy, entropy_auroc, roc
from experiments.evaluate import predict
from experiments.grid import Run
from experiments.lock import RunIsLocked, only_writer
from experiments.records import PREDICTIONS, RESULT, Record
from experiments.train import INTERRUPTED, REFUSED, add_common_options, pick_device
from experiments.trainer import build_model

__all__ = ["NoCheckpoint", "entropy", "entropy_auroc", "evaluate", "lacking", "main", "roc", "sets_of"]
NEW = "predictions.new.npz"


class NoCheckpoint(ValueError):
    """A finished run whose final model is not on disk."""


def sets_of(dataset: str, names: Sequence[str] | None = None) -> dict[str, str]:
    """The sets to score: the name each has in the record, and what `data.load_ood` takes.

    Args:
        dataset: the in-distribution dataset.
        names: keys of `data.OOD` or folders, which are named by their last part; None takes `data.OOD_SETS`'.

    Raises:
        ValueError: a set that is unknown or unsuitable, or a name that cannot stand in a record.
    """
    if not names and dataset not in data.OOD_SETS:
        raise ValueError(f"a table compares {dataset} with no out-of-distribution set: name one with --ood")
    sets: dict[str, str] = {}
    for place in names or data.OOD_SETS[dataset]:
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
        if not any((folder / name).exists() for name in (checkpoint.CURRENT, checkpoint.PREVIOUS)):
            raise _no_checkpoint(run, record.folder, "has no checkpoint", record.folder != folder)
        with only_writer(folder):
            record = records.read(folder, run)
            todo = sets if again else {name: sets[name] for name in lacking(record, sets)}
            logits, entries = {}, {}
            model = _final_model(run, record, say).to(device)
            for name, place in todo.items():
                split = data.load_ood(place, run.dataset, data_root, seed, download, max_images, _test(run, data_root))
                logits[name] = predict(model, split.to(device), run.recipe.eval_batch_size).cpu().numpy()
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


def _no_checkpoint(run: Run, folder: Path, reason: str, published: bool = False) -> NoCheckpoint:
    """The error of a finished run that has to be trained again."""
    how = "train it again" if published else "move the folder away and train it again"
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
        model.load_state_dict(state["model"])
    except RuntimeError as error:
        reason = f"has a checkpoint of another {run.model} ({str(error).splitlines()[-1].strip()})"
        raise _no_checkpoint(run, record.folder, reason) from None
    return model


def _test(run: Run, data_root) -> Callable[[], data.Split]:
    recipe = run.recipe
    return lambda: data.load(recipe.dataset, root=data_root, seed=recipe.split_seed, **recipe.data_options).test


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
    folder, arrays = record.folder, {**record.predictions, **{f"ood_{name}_logits": logits[name] for name in logits}}
    scored = {name: entry for name, entry in record.result.get("ood", {}).items() if name not in entries}
    old = files.sha256((folder / PREDICTIONS).read_bytes())
    try:
        new = files.write_npz(folder / NEW, arrays)  # a full disk shows here, before anything else has changed
        files.write_json(folder / RESULT, {**record.result, "sha256": {PREDICTIONS: [old, new]}, "ood": scored})
        os.replace(folder / NEW, folder / PREDICTIONS)
        files.sync_folder(folder)
        files.write_json(folder / RESULT, {**record.result, "sha256": {PREDICTIONS: new}, "ood": scored | entries})
    finally:
        (folder / NEW).unlink(missing_ok=True)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.ood",
        description="Score finished runs on out-of-distribution images by the entropy of their softmax, and keep the "
        "logits in the runs' records. A run that has them is left alone.",
        epilog="example: python -m experiments.ood --dataset cifar10 --model resnet110 --method adafocal --seed 0 "
        "--scale paper --ood svhn cifar10-c --data-root ~/datasets",
    )
    parser.add_argument("--for", dest="name", help=f"all runs of a table: one of {', '.join(grid.EXPERIMENTS)}")
    for name in ("dataset", "model", "method"):
        parser.add_argument(f"--{name}", help=f"the run's {name}")
    parser.add_argument("--seed", type=int, default=0, help="the run's seed (default: 0)")
    parser.add_argument("--scale", default="demo", help=f"one of {', '.join(grid.PAIRS)} (default: demo)")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="overrides", help="the run's overrides"
    )
    parser.add_argument(
        "--ood",
        metavar="NAME",
        nargs="+",
        help=f"of {', '.join(data.OOD)}, or folders of images (default: those of the tables)",
    )
    add_common_options(parser)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _arguments().parse_args(arguments)
    try:
        device = pick_device(options.device)
        common = {"data_root": options.data_root, "runs": options.runs, "device": device, "download": options.download}
        if options.name:
            _evaluate_all(grid.runs_of(options.name, options.scale), options.ood, common)
            return 0
        if missing := [name for name in ("dataset", "model", "method") if getattr(options, name) is None]:
            raise ValueError(f"name a table with --for, or a run: --{missing[0]} is missing")
        run = Run.make(
            options.scale, options.dataset, options.model, options.method, options.seed, tuple(options.overrides)
        )
        for name, entry in evaluate(run, names=options.ood, **common).items():
            print(
                f"{run}: {name} ({entry['samples']:,} images: {entry['note']}): AUROC {100 * entry['auroc']:.2f} % "
                f"before and {100 * entry['auroc_scaled']:.2f} % after temperature scaling"
            )
    except (ValueError, RunIsLocked, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    return 0


def _evaluate_all(runs: list[Run], names: Sequence[str] | None, common: dict) -> None:
    """Score all finished runs of a list; the others are counted, those without a checkpoint named."""
    finished = [run for run in runs if records.find(run, common["runs"]) is not None]
    for run in tqdm(finished, unit="run", desc="out of distribution", disable=None):
        try:
            evaluate(run, names=names, say=tqdm.write, **common)
        except NoCheckpoint as error:
            tqdm.write(f"left out: {error}")
    if len(finished) < len(runs):
        print(f"{len(runs) - len(finished)} of {len(runs)} runs are not finished")


if __name__ == "__main__":
    sys.exit(main())
