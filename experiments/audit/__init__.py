"""A calibration report on anybody's predictions: `python -m experiments.audit --help`."""

from experiments.audit.command import main

__all__ = ["main"]
