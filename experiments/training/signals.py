"""Pre-emption: a signal asks a run to stop, and the run stops after its next checkpoint."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from data.splits.workers import STOP


@contextmanager
def noticed() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether a signal of `STOP` has come. At the end the former handlers are restored.

    A second signal is heeded no other way: whoever is in a hurry sends SIGKILL, which costs the steps since the last
    checkpoint. Outside the main thread, where Python takes no signals, the answer is always no.
    """
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    before = {number: signal.signal(number, lambda *_: came.set()) for number in STOP}
    try:
        yield came.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
