"""Datasets in their train, validation and test splits: `load("cifar10", root="datasets")`.

A new dataset is a new file and one line in `registry.DATASETS`.
"""

from .arrays import ArraySplit
from .errors import DataError
from .registry import DATASETS, data_root, load, options_of
from .split import Batch, Split, Splits
from .tokens import TokenSplit

__all__ = [
    "DATASETS",
    "ArraySplit",
    "Batch",
    "DataError",
    "Split",
    "Splits",
    "TokenSplit",
    "data_root",
    "load",
    "options_of",
]
