"""Disk cache for slow, deterministic results: one file below the output folder.

A key names everything that a value depends on, down to the source code; the file can be deleted at any time.
"""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path

from experiments.records.provenance import ROOT

_values: dict[str, float | list[str]] = {}
_path: Path | None = None  # None: nothing is kept


def use(folder: Path | None) -> None:
    """Keep values in `folder` from now on; None: keep none."""
    global _path
    _values.clear()
    _path = folder / "computed.jsonl" if folder else None
    if _path and _path.exists():
        for line in _path.read_text().splitlines():
            try:
                entry = json.loads(line)
                _values[entry["key"]] = entry["value"]
            except (ValueError, KeyError, TypeError):
                continue  # half a line of a killed process


def get(key: str) -> float | list[str] | None:
    """The value kept under a key; None where there is none."""
    return _values.get(key)


def put(key: str, value: float | list[str]) -> None:
    """Keep a value."""
    _values[key] = value
    if _path:
        _path.parent.mkdir(parents=True, exist_ok=True)
        with _path.open("a") as file:
            file.write(json.dumps({"key": key, "value": value}) + "\n")


def number(key: str, compute: Callable[[], float]) -> float:
    """The number kept under a key, computed where there is none."""
    if get(key) is None:
        put(key, compute())
    return get(key)


@cache
def code(*folders: str, packages: tuple[str, ...] = ()) -> str:
    """A digest of the source code in folders of this project, and of the versions of packages."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        digest.update(path.read_bytes())
    for package in packages:
        digest.update(metadata.version(package).encode())
    return digest.hexdigest()[:16]
