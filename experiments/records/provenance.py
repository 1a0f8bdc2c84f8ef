"""Where a number comes from: code, packages and machine."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import torch

PACKAGES = ("torch", "torchvision", "transformers", "numpy", "scipy", "pandas", "scikit-learn")
ROOT = Path(__file__).resolve().parents[2]


def environment(device: torch.device) -> dict:
    """Package versions, git commit and hardware, for `config.json`."""
    return {
        "git_commit": git_commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name(),
        "threads": torch.get_num_threads(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def of_session(device: torch.device, precision: str, processes: int, first_epoch: int) -> dict:
    """`environment` of a session that trains a run, and how it computes."""
    return environment(device) | {
        "processes": processes,
        "precision": precision,
        "layout": "channels_last",
        "first_epoch": first_epoch,
    }


def git_commit() -> str | None:
    """What the environment's ADAFOCAL_COMMIT says, for who copies the files elsewhere knows it.

    Without it the checked-out commit, with "+changes" where tracked files differ from it; None outside a git checkout.
    """
    if told := os.environ.get("ADAFOCAL_COMMIT"):
        return told
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+changes" if changed else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"CPU {names[0] if names else platform.processor()} ({len(names)} cores)"
