"""Which models are meant by files and folders, and which files hold their validation predictions."""

from pathlib import Path
from typing import NamedTuple

from experiments.records import PREDICTIONS, Record, csv_columns
from experiments.records.formats import CONFIG, RESULT, read_json

SUFFIXES = (".npz", *(suffix + zipped for suffix in csv_columns.SUFFIXES for zipped in ("", ".gz")))
VAL = "-val"


class Found(NamedTuple):
    """A model.

    Attributes:
        path: its predictions.
        val: its validation predictions, where they are in a file of their own.
    """

    path: Path
    val: Path | None


def find(given: list[Path]) -> tuple[list[Found], list[str], list[str]]:
    """The models of files and folders, each once, what is to be said of them, and what is wrong with them.

    NAME-val.npz beside NAME.npz (or any other kind of file) is NAME's validation part and no model of its own.
    """
    paths: dict[Path, Path] = {}  # the first way to each file
    notes: list[str] = []
    errors: list[str] = []
    for path in given:
        inside = [path]
        if path.is_dir():
            inside, passed_over, wrong = _inside(path)
            notes += passed_over
            errors += wrong
            if not inside and not wrong:
                errors.append(f"{path}: there are no predictions in this folder: no .npz, table or finished run record")
        for one in inside:
            paths.setdefault(one.resolve(), one)
    return [Found(path, beside(path, VAL)) for path in paths.values() if not _is_val(path)], notes, errors


def is_record(path: Path) -> bool:
    """Whether a file is the predictions of a run record."""
    return path.name == PREDICTIONS and (path.parent / CONFIG).exists()


def beside(path: Path, added: str) -> Path | None:
    """NAME + `added`, of the same kind of file if there is one, beside the file NAME."""
    name, suffix = _parts(path)
    candidates = (path.with_name(name + added + kind) for kind in dict.fromkeys((suffix, *SUFFIXES)))
    return next(filter(Path.is_file, candidates), None)


def _parts(path: Path) -> tuple[str, str]:
    kind = next((kind for kind in sorted(SUFFIXES, key=len)[::-1] if path.name.lower().endswith(kind)), "")
    return path.name.removesuffix(path.name[len(path.name) - len(kind) :]) if kind else path.name, kind


def _is_val(path: Path) -> bool:
    name, suffix = _parts(path)
    if not name.endswith(VAL) or name == VAL:
        return False
    own = path.with_name(name.removesuffix(VAL) + suffix)
    return beside(own, "") is not None


def _inside(folder: Path) -> tuple[list[Path], list[str], list[str]]:
    """The predictions in a folder, and what is to be said of files that hold none, or are damaged."""
    found: list[Path] = []
    notes: list[str] = []
    errors: list[str] = []
    if not is_record(folder / PREDICTIONS):
        for path in sorted(folder.iterdir()):
            if not path.is_file() or path.name.startswith(".") or not _parts(path)[1] or is_record(path):
                continue
            if csv_columns.is_table(path) and not csv_columns.has_label(path):
                notes.append(f"Note: {path} was passed over: it has no column 'label'.")
            else:
                found.append(path)
    for path in sorted(folder.rglob(PREDICTIONS)):
        if not is_record(path):
            continue
        if not (path.parent / RESULT).exists():
            notes.append(f"Note: {path.parent} was passed over: its run has not ended.")
            continue
        try:
            _ = Record(path.parent, *read_json(path.parent)).predictions_sha256
            found.append(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            named = str(path.parent) in str(error)
            errors.append(str(error) if named else f"{path.parent} holds a damaged record: {error}")
    return found, notes, errors
