"""Records made by hand, and records changed by hand."""

import json

import numpy as np

from experiments import records
from experiments.grid import Run
from experiments.records import files


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def write_record(runs, run: Run, error=0.1, before=0.05, after=0.02, temperature=1.5, note="", data=None):
    folder = run.folder(runs)
    folder.mkdir(parents=True)
    config = {
        "seed": run.seed, "recipe": records.as_json(run.recipe), "environment": {"device": "an abacus"}, "note": note
    }  # fmt: skip
    config |= {"data": data} if data else {}
    scores = {"error": error, "ece_em": before}
    scaled = {"error": error, "ece_em": after}
    result = {"val": scores, "test": scores, "val_scaled": scaled, "test_scaled": scaled, "temperature": temperature}
    (folder / records.CONFIG).write_text(json.dumps(config))
    (folder / records.RESULT).write_text(json.dumps(result))


def add_predictions(runs, run: Run, seed: int) -> dict[str, np.ndarray]:
    """Over-confident logits, as a run's predictions."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for part in ("val", "test"):
        true = rng.normal(size=(400, 10)) * 2
        arrays[f"{part}_labels"] = (true + rng.gumbel(size=true.shape)).argmax(1)
        arrays[f"{part}_logits"] = (3 * true).astype(np.float32)
    folder = run.folder(runs)
    result = json.loads((folder / records.RESULT).read_text())
    result["sha256"] = {records.PREDICTIONS: files.write_npz(folder / records.PREDICTIONS, arrays)}
    files.write_json(folder / records.RESULT, result)
    return arrays
