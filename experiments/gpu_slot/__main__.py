"""Measure and train on a GPU for a few minutes; `slot.json` and `records.tar` are whole at every moment."""

import argparse
import io
import json
import lzma
import math
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

import torch

import data
from experiments import records
from experiments.command import INTERRUPTED, a_path, add_runs, pick_device, refusing, until_nobody_reads
from experiments.gpu_slot.plan import LAST, Part, plan, preparations
from experiments.records import files
from experiments.records.provenance import ROOT, environment
from experiments.training.signals import noticed

RESULTS, RECORDS = "slot.json", "records.tar"
LARGEST = 16 * 2**20 - 2**16  # bytes of a file that comes back from elsewhere
TEST = re.compile(r"^(?P<test>\S+::\S+.*?) (?P<outcome>PASSED|FAILED|ERROR|SKIPPED)\b")
TAIL = 30  # lines of a part's output that are kept


class Slot:
    """The results so far, on disk after every line of them.

    Args:
        out: the folder of the results, which exists.
        runs: the folder of run records.
        device: "cpu" or "cuda".
        end: of the slot, in `time.monotonic()`.
    """

    def __init__(self, out: Path, runs: Path, device: str, end: float):
        self.out, self.runs, self.end, self._lock = out, runs, end, threading.Lock()
        self.packed: list[str] = []
        self.content = {"device": environment(torch.device(device)), "minutes": None, "parts": {}, "records": []}

    def note(self, name: str, found: dict) -> None:
        """Add results to those of a part."""
        with self._lock:
            self.content["parts"].setdefault(name, {}).update(found)
            self.write()

    def write(self) -> None:
        """Replace `slot.json`."""
        files.write_json(self.out / RESULTS, self.content)

    def left(self) -> float:
        """Seconds until what still trains is asked to stop."""
        return self.end - LAST - time.monotonic()

    def pack(self) -> None:
        """Replace `records.tar` if runs have finished: their records without checkpoints, as far as there is room."""
        finished = sorted(str(path.parent.relative_to(self.runs)) for path in self.runs.rglob(records.RESULT))
        if finished == self.packed:
            return
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            kept = []
            for run in finished:
                folder = self.runs / run
                paths = [path for name in records.FILES if (path := folder / name).exists()]
                if buffer.tell() + sum(path.stat().st_size + 1024 for path in paths) + 20 * 1024 > LARGEST:
                    break
                for path in paths:
                    tar.add(path, arcname=f"{run}/{path.name}")
                kept.append(run)
        files.write_bytes(self.out / RECORDS, buffer.getbuffer())
        with self._lock:
            self.packed = finished
            self.content["records"], self.content["records_left_out"] = kept, finished[len(kept) :]
            self.write()

    def run(self, part: Part, asked=lambda: False) -> None:
        """Run a part within its time box, noting what it prints."""
        limit = min(part.seconds, self.left())
        if limit <= 0:
            return self.note(part.name, {"skipped": "no time was left"})
        begin, tail = time.monotonic(), deque(maxlen=TAIL)
        process = subprocess.Popen(
            part.command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        reader = threading.Thread(target=self._read, args=(part, process.stdout, tail), daemon=True)
        reader.start()
        stopped = False
        try:
            while process.poll() is None and not stopped:
                time.sleep(0.5)
                stopped = time.monotonic() - begin > limit or asked()
                if part.trains:
                    self.pack()
        finally:  # after Ctrl-C, too
            if process.poll() is None:
                self._stop(part, process)
        reader.join(5)
        if part.trains:
            self.pack()
        seconds = round(time.monotonic() - begin, 1)
        self.note(
            part.name, {"seconds": seconds, "in_time": not stopped, "status": process.returncode, "last": [*tail]}
        )

    def _stop(self, part: Part, process: subprocess.Popen) -> None:
        if part.trains:
            process.send_signal(signal.SIGUSR1)  # a checkpoint first
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(self.end - 5 - time.monotonic(), 1))
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _read(self, part: Part, output, tail: deque) -> None:
        for line in output:
            line = line.rstrip()
            if found := _results(line):
                self.note(part.name, found)
            elif test := TEST.match(line):
                self.note(part.name, {test["test"]: test["outcome"].lower()})
            elif line:
                tail.append(line)


def _results(line: str) -> dict:
    """What a line of a part's output says; nothing where it is no JSON object."""
    with suppress(ValueError):
        return found if line.startswith("{") and isinstance(found := json.loads(line), dict) else {}
    return {}


def root_of(data_root: str | None, workplace: Path) -> str | None:
    """The data root, or one beside it whose word vectors are unpacked, if they are not there.

    Raises:
        ValueError: vectors that cannot be unpacked.
    """
    root = data.data_root(data_root)
    packed = sorted(root.glob("glove.*.txt.xz"))
    if not packed or any(root.glob("glove.*.txt")):
        return data_root
    workplace.mkdir(parents=True, exist_ok=True)
    for path in workplace.iterdir():
        if path.is_symlink() or path.is_file():  # of another root, perhaps; the cache stays
            path.unlink()
    for path in root.iterdir():
        if not (link := workplace / path.name).exists():
            link.symlink_to(path.resolve())
    for path in packed:
        try:
            content = lzma.decompress(path.read_bytes())
        except lzma.LZMAError as error:
            raise ValueError(f"cannot unpack {path}: {error}") from None
        files.write_bytes(workplace / path.stem, content)
    return str(workplace)


@refusing()
def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.gpu_slot",
        description="Measure this machine's GPU, run the tests that need one, and train runs of the tables for the "
        f"rest of the time. Leaves {RESULTS} and {RECORDS}, which experiments.publish takes, in DIR.",
        epilog="example: python -m experiments.gpu_slot --minutes 10 --out slot --data-root ../shared/data",
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="all it may take (default: 10)")
    parser.add_argument("--out", metavar="DIR", type=a_path, required=True, help="where the two files go")
    add_runs(parser)
    parser.add_argument("--data-root", metavar="DIR", help="where datasets lie, as of experiments.train")
    parser.add_argument("--device", metavar="{cpu,cuda}", help="default: cuda where there is one")
    parser.add_argument("--commit", help="of these files, where they are no git checkout")
    options = parser.parse_args(arguments)
    end = time.monotonic() + 60 * options.minutes
    device = pick_device(options.device)
    if not LAST < 60 * options.minutes < math.inf:
        raise ValueError(f"--minutes must leave more than the last {LAST} seconds, got {options.minutes:g}")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of each of several runs at once
    if options.commit:
        os.environ["ADAFOCAL_COMMIT"] = options.commit
    options.out.mkdir(parents=True, exist_ok=True)
    options.runs.mkdir(parents=True, exist_ok=True)
    slot = Slot(options.out.absolute(), options.runs.absolute(), device, end)
    slot.content["minutes"] = options.minutes
    slot.write()
    root = root_of(options.data_root, options.runs.absolute() / "data")
    over = threading.Event()
    with noticed() as asked:
        meanwhile = {
            name: threading.Thread(target=slot.run, args=(part, lambda: asked() or over.is_set()), daemon=True)
            for name, part in preparations(device, root).items()
        }
        for thread in meanwhile.values():
            thread.start()
        try:
            for part in plan(device, slot.runs, root):
                for name, thread in meanwhile.items():
                    if name in part.command:
                        thread.join()
                print(f"{part.name}: {max(slot.left(), 0):.0f} s are left", flush=True)
                slot.run(part, asked)
                if asked():
                    break
        except KeyboardInterrupt:
            print(f"stopped; {options.out / RESULTS} has what was found so far", file=sys.stderr)
            return INTERRUPTED
        finally:  # no process outlives the slot
            over.set()
            for thread in meanwhile.values():
                thread.join()
    print(f"written: {options.out / RESULTS}, {len(slot.content['records'])} records in {options.out / RECORDS}")
    return 0


if __name__ == "__main__":
    sys.exit(until_nobody_reads(main))
