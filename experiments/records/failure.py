"""Why a run failed, as a line in its folder."""

import time
from pathlib import Path

from experiments.records import files

ERROR = "error.txt"  # why a run failed: a line "<UTC time>  <message>"


def note(folder: Path, message: str) -> None:
    """Write why a run failed into its folder, which is made if missing. Not for RunIsLocked: that run goes on.

    Args:
        folder: the run's.
        message: of an error, or a traceback; its last line is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    line = ([line.strip() for line in message.splitlines() if line.strip()] or ["unknown error"])[-1]
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    files.write_bytes(folder / ERROR, f"{now}  {line}\n".encode())


def clear(folder: Path) -> None:
    """Delete what `note` left, if anything."""
    (folder / ERROR).unlink(missing_ok=True)
