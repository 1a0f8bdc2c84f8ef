"""Waiting for events. No test waits for a time: a slow or busy machine takes longer."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator

HANGS = 600  # seconds; a limit that ends what hangs, and that no machine comes near otherwise


def wait_until(what: Callable[[], object], process: subprocess.Popen | None = None) -> None:
    """Until it is so, as long as the process lives that is to bring it about."""
    end = time.monotonic() + HANGS
    while not what():
        assert process is None or process.poll() is None, f"the process ended before: status {process.returncode}"
        assert time.monotonic() < end, f"not so after {HANGS} s"
        time.sleep(0.01)


@contextlib.contextmanager
def started(command: list[str], **options) -> Iterator[subprocess.Popen]:
    """A process that does not outlive its test, however that ends."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()
