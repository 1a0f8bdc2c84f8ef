"""Errors that end a run early and that one line explains."""

from experiments.records.lock import RunIsLocked


class TrainingDiverged(RuntimeError):
    """The loss became NaN or infinite."""


class Preempted(RuntimeError):
    """The run was asked to stop, and did so after a checkpoint."""


class CannotResume(RuntimeError):
    """The checkpoint is of another recipe, seed or data."""


class OutOfMemory(RuntimeError):
    """The memory of the device, or of the machine, is too small."""


# Errors whose message is all the user needs.
EXPLAINED = (RunIsLocked, CannotResume, TrainingDiverged, OutOfMemory, OSError)
