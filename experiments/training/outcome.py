"""The files of a run's record: what led to it, and what came out."""

import torch

from experiments import records
from experiments.records import files
from experiments.training.evaluate import final_scores
from experiments.training.loop import Training


def write_config(training: Training) -> None:
    """Write `config.json`: everything that led to this run."""
    splits = (("train", training.train), ("val", training.val), ("test", training.test))
    config = {
        "format": records.FORMAT,
        "run": str(training.run_id),
        "seed": training.run_id.seed,
        "overrides": list(training.run_id.overrides),
        "recipe": records.as_json(training.recipe),
        "data": {name: {"samples": len(split), "sha256": split.fingerprint} for name, split in splits},
        "classes": list(training.train.classes),
        "note": training.train.note,
        "batching": training.train.batching,
        "pretrained_sha256": training.pretrained_sha256,
        "parameters": sum(p.numel() for p in training.model.parameters()),
        "environment": training.environments[-1],
    }
    if earlier := training.environments[:-1]:
        config["earlier_environments"] = earlier
    if training.world.writes:
        files.write_json(training.folder / records.CONFIG, config)


def finish(training: Training) -> dict:
    """Score the kept epoch before and after temperature scaling, write the rest of the record and return `result.json`.

    Args:
        training: at the end of its last epoch.
    """
    last = {"val": training.val_logits, "test": training.test_logits}
    if training.val_logits is None:  # resumed after the last epoch
        last = {"val": training.predict(training.val), "test": training.predict(training.test)}
    last = {name: values.cpu() for name, values in last.items()}
    best = training.best or {"epoch": training.epoch}
    logits = {name: best.get(f"{name}_logits", values) for name, values in last.items()}

    def scores(logits: dict[str, torch.Tensor]) -> dict:
        warn = lambda text: training.session.say(f"{training.run_id}: {text}")  # noqa: E731
        return final_scores(logits, training.labels, training.recipe.num_bins, warn)

    result = {
        "run": str(training.run_id),
        "epochs": training.epoch,
        "kept_epoch": best["epoch"],
        "steps": training.steps,
        "num_bins": training.recipe.num_bins,
        "seconds": round(sum(row["seconds"] for row in training.history), 3),
        **scores(logits),
    }
    if best["epoch"] != training.epoch:
        result["last_epoch"] = scores(last)
    if not training.world.writes:
        return result
    arrays = {f"{name}_logits": values.numpy() for name, values in logits.items()}
    arrays |= {f"{name}_labels": values.numpy() for name, values in training.labels.items()}
    folder = training.folder
    files.write_bytes(folder / records.HISTORY, files.csv_text(training.history).encode())
    files.write_bytes(folder / records.BINS, files.csv_text(training.bins).encode())
    result["sha256"] = {records.PREDICTIONS: files.write_npz(folder / records.PREDICTIONS, arrays)}
    files.write_json(folder / records.RESULT, result)
    return result
