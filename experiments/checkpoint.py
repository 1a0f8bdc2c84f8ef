"""Checkpoints that are never half-written and never trusted when damaged.

The last two are kept. Each one's SHA-256 stands in `checkpoint.sha256`, because `torch.load` reads most flipped bits
without a word. A process killed at any moment leaves at least one checkpoint whose sum matches.
"""

import io
import os
from collections.abc import Callable
from pathlib import Path

import torch

from experiments import files

CURRENT, PREVIOUS, NEW, SUMS = "checkpoint.pt", "checkpoint.previous.pt", "checkpoint.new.pt", "checkpoint.sha256"


def save(folder: Path, state: dict) -> None:
    """Write `state` (tensors, numbers, texts, lists and dicts of them) as the current checkpoint of `folder`."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()
    sums = _sums(folder)
    files.write_bytes(folder / NEW, content)  # a full disk shows here, before anything else has changed
    lines = [f"{files.sha256(content)}  {CURRENT}\n"]
    if CURRENT in sums:
        lines.append(f"{sums[CURRENT]}  {PREVIOUS}\n")
    files.write_bytes(folder / SUMS, "".join(lines).encode())
    if (folder / CURRENT).exists():
        os.replace(folder / CURRENT, folder / PREVIOUS)
    os.replace(folder / NEW, folder / CURRENT)
    files.sync_folder(folder)


def load(folder: Path, say: Callable[[str], None] = print) -> dict | None:
    """The newest sound checkpoint of `folder` on the CPU, or None; a damaged one is named and passed over."""
    known = set(_sums(folder).values())
    for name in (CURRENT, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        content = path.read_bytes()
        if files.sha256(content) in known:
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        say(f"{path} is damaged (its SHA-256 does not match {SUMS}): falling back to the one before it")
    return None


def remove(folder: Path) -> None:
    """Delete the checkpoints of a finished run."""
    for name in (CURRENT, PREVIOUS, NEW, SUMS):
        (folder / name).unlink(missing_ok=True)


def _sums(folder: Path) -> dict[str, str]:
    path = folder / SUMS
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    pairs = [line.split("  ", 1) for line in lines if "  " in line]
    return {name: digest for digest, name in pairs}
