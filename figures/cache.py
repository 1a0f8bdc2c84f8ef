"""Numbers that take seconds to compute from a record, kept between calls in one file below the output folder.

A number is found again only for equal predictions, equal source code and equal packages; the file can be deleted.
"""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path

from experiments.provenance import ROOT

_numbers: dict[str, float] = {}
_path: Path | None = None  # None: nothing is kept


def use(folder: Path | None) -> None:
    """Keep numbers in `folder` from now on; None: keep none."""
    global _path
    _numbers.clear()
    _path = folder / "numbers.jsonl" if folder else None
    if _path and _path.exists():
        for line in _path.read_text().splitlines():
            try:
                entry = json.loads(line)
                _numbers[entry["key"]] = float(entry["value"])
            except (ValueError, KeyError, TypeError):
                continue  # half a line of a killed process


def number(name: str, inputs: str, compute: Callable[[], float]) -> float:
    """The number that `compute` gives, or the one it gave before.

    Args:
        name: what is computed, with every option.
        inputs: the SHA-256 of what it is computed from.
        compute: computes it.
    """
    key = f"{name} {inputs} {_code()}"
    if key not in _numbers:
        _numbers[key] = compute()
        if _path:
            _path.parent.mkdir(parents=True, exist_ok=True)
            with _path.open("a") as file:
                file.write(json.dumps({"key": key, "value": _numbers[key]}) + "\n")
    return _numbers[key]


@cache
def _code() -> str:
    """A digest of what a calibrated score depends on."""
    digest = hashlib.sha256()
    for package in ("calibration", "posthoc"):
        for path in sorted((ROOT / package).glob("*.py")):
            digest.update(path.read_bytes())
    for package in ("numpy", "scipy", "scikit-learn"):
        digest.update(metadata.version(package).encode())
    return digest.hexdigest()[:16]
