"""All finished records below a folder as one pandas table, for notebooks and questions of one's own."""

import warnings
from pathlib import Path

import pandas as pd

from experiments.records import PUBLISHED, RESULT
from experiments.records.formats import read_json

PARTS = ("val", "test", "val_scaled", "test_scaled")


def frame(*folders: str | Path) -> pd.DataFrame:
    """A row a finished run, whichever its scale and overrides; a damaged record is left out with a warning.

    Args:
        folders: where to look; none takes the published records.

    Returns:
        Columns scale, dataset, model, method, overrides ("" or "key=value+..."), seed, temperature, kept_epoch,
        seconds, commit, folder, and every score of the parts val, test, val_scaled, test_scaled as <part>_<score>
        (fractions; NLL in nats); last_temperature and last_<part>_<score> of the last epoch. Sorted by run,
        and records of one run as the folders are.
    """
    rows = []
    for root in folders or (PUBLISHED,):
        for path in sorted(Path(root).rglob(RESULT)):
            try:
                rows.append(_row(path.parent))
            except (OSError, ValueError, KeyError, TypeError) as error:
                warnings.warn(f"left out: {path.parent} is damaged: {type(error).__name__}: {error}", stacklevel=2)
    keys = ["scale", "dataset", "model", "method", "overrides", "seed"]
    return pd.DataFrame(rows, columns=None if rows else keys).sort_values(keys, ignore_index=True, kind="stable")


def _row(folder: Path) -> dict:
    config, result = read_json(folder)
    recipe = config["recipe"]
    last = result.get("last_epoch", result)
    return {
        **{name: recipe[name] for name in ("scale", "dataset", "model", "method")},
        "overrides": "+".join(config["overrides"]),
        "seed": config["seed"],
        "temperature": result["temperature"],
        "kept_epoch": result["kept_epoch"],
        "seconds": result["seconds"],
        "commit": config["environment"].get("git_commit"),
        "folder": str(folder),
        **{f"{part}_{name}": value for part in PARTS for name, value in result[part].items()},
        "last_temperature": last["temperature"],
        **{f"last_{part}_{name}": value for part in PARTS for name, value in last[part].items()},
    }
