"""Datasets in their train, validation and test splits: `load("cifar10", root="datasets")`.

A new dataset is a new file, its facts in `facts.FACTS` and one line in `registry.DATASETS`.
"""

from .arrays import ArraySplit
from .encoders import ENCODERS, find_encoder, weights_sha256
from .errors import DataError
from .facts import FACTS, Facts
from .lazy import LazySplit
from .ood import OOD, check_ood, load_ood
from .registry import DATASETS, data_root, load, options_of
from .split import Batch, Split, Splits
from .tokens import TokenSplit

__all__ = [
    "DATASETS",
    "ENCODERS",
    "FACTS",
    "OOD",
    "ArraySplit",
    "Batch",
    "DataError",
    "Facts",
    "LazySplit",
    "Split",
    "Splits",
    "TokenSplit",
    "check_ood",
    "data_root",
    "find_encoder",
    "load",
    "load_ood",
    "options_of",
    "weights_sha256",
]
