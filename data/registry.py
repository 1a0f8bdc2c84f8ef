"""The table of datasets, and `load`, which reads one."""

import importlib
import inspect
import os
import pkgutil
from collections.abc import Callable
from pathlib import Path

from data import sets
from data.facts import FACTS
from data.splits.holdout import check_seed
from data.splits.split import Splits


def _loaders() -> dict[str, Callable[..., Splits]]:
    found = {}
    for module in pkgutil.iter_modules(sets.__path__, "data.sets."):
        found |= getattr(importlib.import_module(module.name), "LOADERS", {})
    return {name: found[name] for name in FACTS}


# Of the files in `sets`, each of which declares its `LOADERS`, in the order of `FACTS`. A loader takes (root, seed,
# download) and, as keywords with defaults, every number that can change a result.
DATASETS = _loaders()


def load(name: str, root: str | os.PathLike | None = None, seed: int = 0, download: bool = False, **options) -> Splits:
    """Read a dataset and split it.

    Args:
        name: a name in `DATASETS`.
        root: the data root; None takes the environment's ADAFOCAL_DATA, else `datasets` in the working directory.
        seed: of the train/val split only, >= 0. The authors fix the split whatever the run's seed.
        download: fetch what is missing, where that is possible.
        **options: the dataset's own; see `options_of`.

    Returns:
        The train, val and test splits, on the CPU.

    Raises:
        DataError: missing or broken files (a ValueError).
        ValueError: unknown dataset or option, an option or seed out of range.
    """
    valid = options_of(name)
    for option in options:
        if option not in valid:
            raise ValueError(f"dataset {name!r} has no option {option!r}; it has {', '.join(valid)}")
    check_seed(seed)
    return DATASETS[name](data_root(root), seed, download, **options)


def options_of(name: str) -> dict[str, object]:
    """The options of a dataset with their defaults. Raises ValueError for an unknown dataset."""
    if name not in DATASETS:
        raise ValueError(f"unknown dataset {name!r}; choose from {', '.join(DATASETS)}")
    parameters = inspect.signature(DATASETS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def data_root(root: str | os.PathLike | None = None) -> Path:
    """The folder of all datasets: `root`, else the environment's ADAFOCAL_DATA, else `datasets`."""
    return Path(root or os.environ.get("ADAFOCAL_DATA") or "datasets").expanduser()
