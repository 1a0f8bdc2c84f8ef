"""Processes that prepare batches, deaf to the signals that ask a run to stop: the run ends them when it has."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import BaseContext

STOP = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)  # Slurm sends the first at scancel, --signal any other
_BLOCKED = STOP if hasattr(signal, "sigwaitinfo") else ()  # macOS does not say who sent a signal


def start_method() -> BaseContext:
    """How workers begin: as forks of a process that has the modules and nothing else.

    A fork of the run itself, which holds CUDA, NCCL and their threads, can hang.
    """
    context = multiprocessing.get_context("forkserver")
    main = getattr(sys.modules["__main__"], "__spec__", None)  # workers import it, too
    context.set_forkserver_preload(["data.splits.lazy", "torchvision.transforms.v2", *([main.name] if main else [])])
    return context


def usable_cores() -> int:
    """Cores that this process may use; where the system does not say (macOS), all there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def starting_deaf() -> Iterator[None]:
    """Processes started within inherit a mask of `STOP`; this one hears what came meanwhile at the end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    try:
        if _BLOCKED:  # started by forkserver itself it would unblock SIGTERM before that starts
            resource_tracker.ensure_running()
            signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def heed_owner_alone(worker: int) -> None:
    """`worker_init_fn` of a DataLoader: end at a signal of the process whose worker this is, and at nobody else's.

    Slurm and torchrun send their signals to every process of a job. A worker that heeded them would end the run before
    its checkpoint; one that heeded none would outlive the run, which ends its last workers by SIGTERM.
    """
    if not _BLOCKED:
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    owner = multiprocessing.parent_process().pid

    def wait() -> None:
        while signal.sigwaitinfo(_BLOCKED).si_pid != owner:
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
