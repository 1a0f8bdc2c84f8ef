"""Datasets in their train, validation and test splits: `load("cifar10", root="datasets")`.

A new dataset is a file in `sets` with its loader, and its facts in `facts.FACTS`.
"""

from data.errors import DataError
from data.facts import FACTS, Facts
from data.ood import OOD, SHIFTS, check_ood, load_ood
from data.registry import DATASETS, data_root, load, options_of
from data.splits.arrays import ArraySplit
from data.splits.lazy import LazySplit
from data.splits.split import Batch, Split, Splits
from data.splits.tokens import TokenSplit
from data.text.encoders import ENCODERS, find_encoder, weights_sha256

__all__ = [
    "DATASETS",
    "ENCODERS",
    "FACTS",
    "OOD",
    "SHIFTS",
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
