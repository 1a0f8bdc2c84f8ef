"""Files that are either whole or not there: written beside their place, synced, then renamed."""

import contextlib
import csv
import hashlib
import io
import json
import math
import os
import uuid
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from data.files.durable import sync, sync_folder


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Replace `path` by `content`, atomically and as durably as the file system allows; the umask decides who reads."""
    path = Path(path)
    try:
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # less the umask
    except OSError as error:
        error.filename = str(path)  # not the temporary name
        raise
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            sync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        raise _named(error, path) from None
    sync_folder(path.parent)


def _named(error: BaseException, path: Path) -> BaseException:
    """The error, with the file that the system does not name when a disk is full."""
    if isinstance(error, OSError) and error.filename is None:
        error.filename = str(path)
    return error


def remove_half_written(folder: Path, names: Iterable[str]) -> None:
    """Delete what killed writes of these files left in a folder; only for who alone writes there."""
    for name in names:
        for path in Path(folder).glob(f".{name}.*.tmp"):
            path.unlink(missing_ok=True)


def remove_empty(folder: Path, top: Path) -> None:
    """Remove a folder and its parents below `top`, as far as they are empty."""
    with contextlib.suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent


def sha256(content: bytes | memoryview) -> str:
    """Hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def json_text(content: dict) -> str:
    """Indented JSON. NaN and infinity, for which JSON has no number, are null."""
    return json.dumps(_with_nulls(content), indent=2, allow_nan=False) + "\n"


def _with_nulls(value):
    if isinstance(value, dict):
        return {name: _with_nulls(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_nulls(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, content: dict) -> None:
    """Write `json_text`."""
    write_bytes(path, json_text(content).encode())


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> str:
    """Write a compressed .npz without pickles; returns its SHA-256. Equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_bytes(path, buffer.getbuffer())
    return sha256(buffer.getbuffer())


def csv_text(rows: Iterable[dict], header: bool = True) -> str:
    """Rows as CSV, with the columns of all of them; NaN and what a row lacks as an empty cell.

    Floats have nine digits, which tell each float32 from its neighbours; all of them were computed from float32.
    """
    rows = list(rows)
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    if header:
        writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue()


def _cell(value):
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else float(f"{value:.9g}")


class CsvLog:
    """A CSV file that grows by rows; opening it replaces what was there by the rows known to be good."""

    def __init__(self, path: Path, rows: list[dict]):
        self.path = Path(path)
        self.rows = list(rows)
        write_bytes(self.path, csv_text(self.rows).encode())

    def extend(self, rows: list[dict]) -> None:
        """Append rows; columns that are new, since older code wrote the rows before, stand in all of them then."""
        if self.rows and any(row.keys() != self.rows[0].keys() for row in rows):
            self.rows += rows
            write_bytes(self.path, csv_text(self.rows).encode())
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(csv_text(rows, header=not self.rows))
        except OSError as error:
            raise _named(error, self.path) from None
        self.rows += rows
