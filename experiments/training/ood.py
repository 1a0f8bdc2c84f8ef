"""Out-of-distribution or shifted images through the final model of a finished run; their scores go to its record.

Source: the paper's section "Out-of-Distribution (OOD) detection" and Appendix K.
"""

import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

import data
from calibration import ece_em, top_label
from calibration.ood import entropy_auroc
from experiments import records
from experiments.grid import Run, runs_option
from experiments.records import PREDICTIONS, RESULT, Record, files
from experiments.records.lock import only_writer
from experiments.training import checkpoint
from experiments.training.evaluate import predict
from experiments.training.job import PLAIN
from experiments.training.model import build_model
from experiments.training.precision import Speed, choose
from experiments.training.session import Session

NEW = "predictions.new.npz"


class NoCheckpoint(ValueError):
    """A finished run whose final model is not on disk."""


def sets_of(dataset: str, names: Sequence[str] | None = None) -> dict[str, str]:
    """The sets to score: the name each has in the record, and what `data.load_ood` takes.

    Args:
        dataset: the in-distribution dataset.
        names: keys of `data.OOD` or folders, which are named by their last part; empty takes those of `data.FACTS`.

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
    session: Session = PLAIN,
    names: Sequence[str] | None = None,
    *,
    again: bool = False,
) -> dict[str, dict]:
    """Add the final model's logits and AUROC on out-of-distribution images to a run's record, unless they are there.

    `predictions.npz` gets `ood_<name>_logits` [M, K] float32 beside the arrays it has, and `result.json` "ood". Of
    shifted test images (`data.SHIFTS`), whose labels are known, only scores are kept.
    The record is valid whenever the process is killed, and nothing is written before all sets are scored.

    Args:
        run: the run.
        session: where and how.
        names: see `sets_of`.
        again: score sets that are there already, too.

    Returns:
        By set, those that were there included: "auroc" and, after temperature scaling, "auroc_scaled" (fractions),
        "samples", "note", "sha256" of the images. Of shifted test images also "error", "ece_em" and "ece_em_scaled".

    Raises:
        ValueError: what `sets_of` and `data.load_ood` refuse, an unfinished run, NaN or infinite logits;
            `NoCheckpoint`; `records.RecordError` for a damaged record.
        RunIsLocked: another process is writing the record.
    """
    folder, sets = run.folder(session.runs), sets_of(run.dataset, names)
    record = find(run, session.runs)
    if again or lacking(record, sets):
        if record.folder != folder:
            raise _no_checkpoint(
                run, session.runs, record.folder, "is published without its checkpoint", "train it again"
            )
        if not any((folder / name).exists() for name in (checkpoint.CURRENT, checkpoint.PREVIOUS)):
            raise _no_checkpoint(run, session.runs, folder, "has no checkpoint")
        with only_writer(folder):
            record = records.read(folder, run)
            todo = sets if again else {name: sets[name] for name in lacking(record, sets)}
            logits, entries = {}, {}
            speed = _as_trained(record, torch.device(session.device))
            model = speed.layout(_final_model(run, session.runs, record, session.say).to(session.device))
            root, in_test = session.data_root, _test(run, session)
            if not todo.keys().isdisjoint(data.SHIFTS):
                _check_labels(record, in_test(), session)
            for name, place in todo.items():
                split = data.load_ood(place, run.dataset, root, download=session.download, in_test=in_test)
                logits[name] = (
                    predict(model, split.to(session.device), run.recipe.eval_batch_size, speed=speed).cpu().numpy()
                )
                scores = _scores(record, logits[name])
                if name in data.SHIFTS:
                    scores |= _shifted_scores(record, logits.pop(name))
                entries[name] = {**scores, "samples": len(split), "note": split.note, "sha256": split.fingerprint}
            _store(record, logits, entries)
            record = records.read(folder, run)
    return {name: record.result["ood"][name] for name in sets}


def lacking(record: Record, names) -> list[str]:
    """The sets whose logits or scores a record lacks; where it is published without logits only scores count."""
    scored = record.result.get("ood", {})
    if record.lacks(PREDICTIONS):
        return [name for name in names if name not in scored]
    arrays = record.predictions
    kept = {name for name in names if name in data.SHIFTS or f"ood_{name}_logits" in arrays}
    return [name for name in names if name not in scored or name not in kept]


def find(run: Run, runs: Path) -> Record:
    """The record of a finished run, published ones included.

    Raises:
        ValueError: there is none; `records.RecordError` for a damaged one.
    """
    if folder := records.finished_folder(run, runs):
        return records.read(folder, run)
    raise ValueError(f"{run.folder(runs)} holds no finished run; train it first: {run.command}{runs_option(runs)}")


def _no_checkpoint(
    run: Run, runs: Path, folder: Path, reason: str, how: str = "move it away and train it again"
) -> NoCheckpoint:
    return NoCheckpoint(f"{run}: {folder} {reason}; {how}: {run.command}{runs_option(runs)}")


def _final_model(run: Run, runs: Path, record: Record, say: Callable[[str], None]) -> torch.nn.Module:
    if run.recipe.threads:
        torch.set_num_threads(run.recipe.threads)
    state = checkpoint.load(record.folder, say)
    if state is None:
        raise _no_checkpoint(run, runs, record.folder, "has no sound checkpoint")
    theirs, ours = (
        (records.deciding(source["recipe"]), source["seed"]) for source in (state["identity"], record.config)
    )
    if state["epoch"] != record.result["epochs"] or theirs != ours:
        raise _no_checkpoint(run, runs, record.folder, "has no checkpoint of the final model")
    # the model's classes are all that it needs to know of the in-distribution images
    model = build_model(run.recipe, SimpleNamespace(num_classes=len(record.config["classes"])))
    try:
        model.load_state_dict((state["best"] or state)["model"])
    except RuntimeError as error:
        reason = f"has a checkpoint of another {run.model} ({str(error).splitlines()[-1].strip()})"
        raise _no_checkpoint(run, runs, record.folder, reason) from None
    return model


def _as_trained(record: Record, device: torch.device) -> Speed:
    """The precision that gave the test set's logits, which a table compares these with."""
    precision = record.config["environment"].get("precision", "float32")
    if precision == "tf32" and device.type == "cpu":
        precision = "float32"  # the nearest that a CPU has
    return choose(precision, False, device)


def _test(run: Run, session: Session) -> Callable[[], data.Split]:
    """Loads the run's own test split."""
    recipe, source = run.recipe, (session.data_root, run.recipe.split_seed, session.download)
    return cache(lambda: data.load(recipe.dataset, *source, **recipe.data_options).test)


def _check_labels(record: Record, test: data.Split, session: Session) -> None:
    """Refuse test images of another order than the run's: shifted ones are scored against the run's labels."""
    if not np.array_equal(test.labels.cpu().numpy(), record.predictions["test_labels"]):
        raise ValueError(
            f"the test images in {data.data_root(session.data_root)} are not those of {record.folder}, or in another "
            "order: name the data root that it was trained on (--data-root)"
        )


def _scores(record: Record, ood_logits: np.ndarray) -> dict[str, float]:
    temperature, in_logits = record.result["temperature"], record.predictions["test_logits"].astype(np.float64)
    return {
        "auroc": entropy_auroc(in_logits, ood_logits),
        "auroc_scaled": entropy_auroc(in_logits / temperature, ood_logits.astype(np.float64) / temperature),
    }


def _shifted_scores(record: Record, logits: np.ndarray) -> dict[str, float]:
    labels, num_bins = record.predictions["test_labels"], record.config["recipe"]["num_bins"]
    scores = {}
    for suffix, temperature in (("", 1.0), ("_scaled", record.result["temperature"])):
        confidence, correct = top_label(logits.astype(np.float64) / temperature, labels)
        scores[f"ece_em{suffix}"] = ece_em(confidence, correct, num_bins)
    return {"error": float((~correct).mean()), **scores}


def _store(record: Record, logits: dict[str, np.ndarray], entries: dict[str, dict]) -> None:
    """Replace predictions.npz and result.json such that they fit each other at every moment.

    result.json first takes the new file's SHA-256 beside the old one's, and loses the scores that are replaced; a run
    killed here is scored again. Then predictions.npz is replaced; then result.json gets its final form.
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
