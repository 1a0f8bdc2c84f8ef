"""Checkpoints that are never half-written and never trusted when damaged.

The last two are kept. Each one's SHA-256 stands in `checkpoint.sha256`, because `torch.load` reads most flipped bits
without a word. A process killed at any moment leaves at least one checkpoint whose sum matches.
"""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from experiments.records import files

CURRENT, PREVIOUS, NEW, SUMS = "checkpoint.pt", "checkpoint.previous.pt", "checkpoint.new.pt", "checkpoint.sha256"


def save(folder: Path, state: dict) -> None:
    """Write `state` (tensors, numbers, texts, lists and dicts of them) as the current checkpoint of `folder`.

    Raises:
        OSError: it cannot be written; the checkpoints that were there are there still, and nothing else.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()
    # The files are asked, not the sums: these are ahead of the files where the last save was cut short.
    kept = next(_sound(folder, lambda text: None), None)
    lines = [f"{files.sha256(content)}  {CURRENT}\n"]
    if kept:
        lines.append(f"{kept[1]}  {PREVIOUS}\n")
    try:
        files.write_bytes(folder / NEW, content)  # a full disk shows here, before anything else has changed
        files.write_bytes(folder / SUMS, "".join(lines).encode())
    except OSError as error:
        (folder / NEW).unlink(missing_ok=True)
        error.filename = str(folder / CURRENT)
        raise
    if kept and kept[0].name == CURRENT:  # a damaged one is not worth the sound one before it
        os.replace(folder / CURRENT, folder / PREVIOUS)
    os.replace(folder / NEW, folder / CURRENT)
    files.sync_folder(folder)


def load(folder: Path, say: Callable[[str], None] = print) -> dict | None:
    """The newest sound checkpoint of `folder` on the CPU, or None; a damaged or foreign one is named and passed over.

    Raises:
        MemoryError: a sound checkpoint does not fit in memory.
    """
    for path, _ in _sound(folder, say):
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except MemoryError:
            raise
        except Exception as error:  # whatever a strange file drives the unpickler into
            if "allocate memory" in str(error):  # torch's own way of saying it
                raise MemoryError(f"{path} does not fit in memory") from error
            state = None
        if isinstance(state, dict):
            return state
        say(f"{path} is not a checkpoint of ours, and nothing in it was run: falling back to the one before it")
    return None


def remove(folder: Path) -> None:
    """Delete the checkpoints of a finished run."""
    for name in (CURRENT, PREVIOUS, NEW, SUMS):
        (folder / name).unlink(missing_ok=True)


def _sound(folder: Path, say: Callable[[str], None]) -> Iterator[tuple[Path, str]]:
    """The checkpoints that are as they were written, newest first, with their SHA-256; others are named."""
    known = _sums(folder)
    for path in (folder / CURRENT, folder / PREVIOUS):
        if not path.exists():
            continue
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest in known:
            yield path, digest
        else:
            say(f"{path} is damaged (its SHA-256 does not match {SUMS}): falling back to the one before it")


def _sums(folder: Path) -> set[str]:
    path = folder / SUMS
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return {line.split("  ", 1)[0] for line in lines if "  " in line}
