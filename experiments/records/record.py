"""Run records: what a finished run leaves on disk, and how tables, figures and notebooks read it back.

`result.json` is written last: a folder without it is unfinished. Records are read from `runs/` and, beside it, from the
published ones under `experiments/results/`, and are checked before a number of theirs is believed.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.grid import Run
from experiments.records import files
from experiments.records.formats import COMPUTING, CONFIG, RESULT, as_json, environments, read_json
from experiments.records.provenance import ROOT

HISTORY, BINS, PREDICTIONS = "history.csv", "bins.csv", "predictions.npz"
FILES = (CONFIG, HISTORY, BINS, PREDICTIONS, RESULT)
PUBLISHED = ROOT / "experiments" / "results"
# The demo's own, where `find` does not look: whoever calls for the demo wants to see it train.
PUBLISHED_DEMO = PUBLISHED / "demo-5-seeds"


class RecordError(ValueError):
    """A record that is damaged, or not of the run it is taken for."""


class LeftOut(RecordError):
    """A published record lacks the file that is asked for: publishing left it out."""


@dataclass(frozen=True)
class Record:
    """The finished record of one run.

    Attributes:
        folder: where it lies.
        config: `config.json`.
        result: `result.json`: scores of the validation and test set before ("val", "test") and after ("val_scaled",
            "test_scaled") temperature scaling as `calibration.summary` gives them, and the temperature.
    """

    folder: Path
    config: dict
    result: dict

    @property
    def is_published(self) -> bool:
        """Whether it lies among the published records."""
        return self.folder.is_relative_to(PUBLISHED)

    def lacks(self, name: str) -> bool:
        """Whether it is published without a file."""
        return self.is_published and not (self.folder / name).exists()

    @property
    def commit(self) -> str:
        """The git commit that ended it, "+changes" where there were any; "unknown" where the record does not say."""
        return self.commits[-1]

    @property
    def commits(self) -> list[str]:
        """The git commits of all its sessions, in their order."""
        return [found.get("git_commit") or "unknown" for found in environments(self.config)]

    @property
    def computed_on(self) -> list[str]:
        """The devices of its sessions, with the precision where the record says it."""
        names = {"bf16": " in bfloat16", "tf32": " in TF32", "float32": " in float32"}
        found = environments(self.config)
        return list(dict.fromkeys(place["device"] + names.get(place.get("precision"), "") for place in found))

    @cached_property
    def history(self) -> pd.DataFrame:
        """`history.csv`: a row an epoch.

        Raises:
            RecordError: the file is missing, damaged or of another number of epochs.
        """
        return self._table(HISTORY, rows_an_epoch=1)

    @cached_property
    def bins(self) -> pd.DataFrame:
        """`bins.csv`: a row per epoch and bin.

        Raises:
            RecordError: as `history`; `LeftOut` where it is published without them.
        """
        return self._table(BINS)

    def _table(self, name: str, rows_an_epoch: int | None = None) -> pd.DataFrame:
        path, epochs = self._kept(name), self.config["recipe"]["epochs"]
        try:
            frame = pd.read_csv(path)
            numbers = frame.astype(float)
            if rows_an_epoch is None:  # the loss's own number of bins
                rows_an_epoch = int(numbers["bin"].max()) + 1
        except (OSError, ValueError, KeyError) as error:  # pandas' own errors are ValueErrors
            raise RecordError(f"{path} is missing or damaged: {error}") from None
        if len(frame) != epochs * rows_an_epoch or numbers.get("epoch", pd.Series()).max() != epochs:
            raise RecordError(f"{path} is damaged: {len(frame)} rows, not {rows_an_epoch} for each of {epochs} epochs")
        return frame

    def _kept(self, name: str) -> Path:
        if self.lacks(name):
            raise LeftOut(f"{self.folder} is published without {name}")
        return self.folder / name

    @cached_property
    def predictions_sha256(self) -> str:
        """The SHA-256 of `predictions.npz`, which is the one that `result.json` has.

        There it is a list of two while `experiments.ood` replaces the file.

        Raises:
            RecordError: the file is missing or not the one the run wrote; `LeftOut` where it is published without it.
        """
        path, known = self._kept(PREDICTIONS), self.result["sha256"].get(PREDICTIONS)
        known = known if isinstance(known, list) else [known]
        digest = files.sha256(path.read_bytes()) if path.exists() else ""
        if digest not in known:
            raise RecordError(f"{path} is missing or damaged: its SHA-256 is not the one in {RESULT}")
        return digest

    @property
    def predictions(self) -> dict[str, np.ndarray]:
        """`predictions.npz`: val_logits, val_labels, test_logits, test_labels, ood_<name>_logits (float32, int64).

        They are read anew each time: those of ImageNet take 200 MB.

        Raises:
            RecordError: as `predictions_sha256`.
        """
        _ = self.predictions_sha256
        with np.load(self.folder / PREDICTIONS, allow_pickle=False) as arrays:
            return dict(arrays)


def is_finished(folder: Path) -> bool:
    """Whether the run of this folder is finished."""
    return (folder / RESULT).exists()


def read(folder: Path, run: Run) -> Record:
    """Read and check the finished record in `folder`.

    Raises:
        RecordError: a file is missing or damaged, or the record is of another run or another recipe than `run` has now.
    """
    try:
        config, result = read_json(folder)
        recipe, seed = config["recipe"], config["seed"]
        for part in ("val", "test", "val_scaled", "test_scaled"):
            for score in ("error", "ece_em"):
                if not 0 <= result[part][score] <= 1:
                    raise RecordError(f"{folder / RESULT}: {part} {score} is {result[part][score]}, not in [0, 1]")
        float(result["temperature"])
        _ = config["data"].keys(), [place["device"] for place in environments(config)], float(result["seconds"] or 0)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"{folder} holds a damaged record: {type(error).__name__}: {error}") from None
    if seed != run.seed:
        raise RecordError(f"{folder / CONFIG}: seed is {seed}, expected {run.seed}")
    for name, expected in as_json(run.recipe).items():
        if name not in COMPUTING and recipe.get(name, expected) != expected:
            raise RecordError(f"{folder / CONFIG}: made by another recipe: {name} is {recipe[name]}, now {expected}")
    return Record(folder, config, result)


def finished_folder(run: Run, runs: Path) -> Path | None:
    """Where the run's finished record lies, under `runs` or among the published ones."""
    return next(filter(is_finished, (run.folder(root) for root in (Path(runs), PUBLISHED))), None)


def find(run: Run, runs: Path) -> Record | None:
    """The run's record under `runs` or among the published ones; None where there is no finished and sound one.

    A damaged record, or one whose run has not ended, is warned of.
    """
    for root in (Path(runs), PUBLISHED):
        folder = run.folder(root)
        if is_finished(folder):
            try:
                return read(folder, run)
            except RecordError as error:
                warnings.warn(f"left out: {error}", stacklevel=2)
        elif (folder / CONFIG).exists():
            warnings.warn(f"left out: {folder} is of a run that has not ended: {RESULT} is missing", stacklevel=2)
    return None


def of_one_data_set(found: dict[Run, Record | None]) -> dict[Run, Record | None]:
    """The same records without those that no table may show beside the others, which get None.

    All records of a dataset-model pair must be of the same data to the last byte: word vectors, splits and noise too.
    Where the user's own differ from published ones, the published are left out, with a warning.

    Raises:
        RecordError: the user's own differ from each other.
    """
    kept = dict(found)
    pairs: dict[tuple[str, ...], list[Run]] = {}
    for run, record in found.items():
        if record is not None:
            options = str(run.recipe.data_options)  # a column may differ in these, on purpose
            pairs.setdefault((run.scale, run.dataset, run.model, options), []).append(run)
    for runs in pairs.values():
        runs.sort(key=lambda run: found[run].is_published)  # the user's own come first
        first = found[runs[0]]
        for run in runs:
            if (record := found[run]).config["data"] == first.config["data"]:
                continue
            if record.is_published == first.is_published:
                raise RecordError(
                    f"{first.folder} and {record.folder} were made from different data, so no table can show both: "
                    "move one of them away"
                )
            warnings.warn(f"left out: {record.folder} was made from other data than {first.folder}", stacklevel=2)
            kept[run] = None
    return kept
