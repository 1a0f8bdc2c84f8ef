"""What runs leave on disk, and how it is read back."""

from experiments.records.formats import CONFIG, FORMAT, RESULT, as_json, with_defaults
from experiments.records.record import (
    BINS,
    FILES,
    HISTORY,
    PREDICTIONS,
    PUBLISHED,
    PUBLISHED_DEMO,
    Record,
    RecordError,
    find,
    finished_folder,
    is_finished,
    of_one_data_set,
    read,
)

__all__ = [
    "BINS",
    "CONFIG",
    "FILES",
    "FORMAT",
    "HISTORY",
    "PREDICTIONS",
    "PUBLISHED",
    "PUBLISHED_DEMO",
    "RESULT",
    "Record",
    "RecordError",
    "as_json",
    "find",
    "finished_folder",
    "is_finished",
    "of_one_data_set",
    "read",
    "with_defaults",
]
