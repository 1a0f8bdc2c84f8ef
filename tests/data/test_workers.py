"""The processes that decode photographs, beside signals that are meant for the run."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data import load
from experiments.records.provenance import ROOT
from tests.support.imagenet import OPTIONS, make_imagenet
from tests.support.waiting import HANGS

# As `scancel` and torchrun do: the signal goes to every process of the group, workers included.
SIGNALLED = """
import os, subprocess, sys
from data import load
from experiments.training.signals import STOP, noticed

if __name__ == "__main__":
    options = {options} | {{"workers": 2}}
    with noticed() as came:
        batches = load("imagenet", sys.argv[1], **options).train.eval_batches(1)
        seen = [next(batches).index.item()]
        for number in STOP:
            subprocess.run(["kill", "-s", str(int(number)), "--", str(-os.getpgrp())])
        seen += [batch.index.item() for batch in batches]
        assert came()
    print(*seen)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="a parent is looked up in /proc")
def test_workers_are_no_forks_of_this_process(tmp_path):
    split = load("imagenet", make_imagenet(tmp_path), **OPTIONS, workers=1).train
    batches = split.eval_batches(4)
    next(batches)
    (worker,) = multiprocessing.active_children()
    parent = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[1]
    assert int(parent) != os.getpid()
    assert [len(batch.labels) for batch in batches] == [4, 4, 3]


def test_signals_to_the_whole_group_end_no_worker(tmp_path):
    make_imagenet(tmp_path, train=20)  # more images than the workers decode ahead
    (tmp_path / "signalled.py").write_text(SIGNALLED.format(options=OPTIONS))
    done = subprocess.run(
        [sys.executable, tmp_path / "signalled.py", tmp_path],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, start_new_session=True, timeout=HANGS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(i) for i in range(60)]


# An error in the loop keeps the iterator alive in its traceback, and with it the workers.
ABANDONED = """
import sys
from data import load

if __name__ == "__main__":
    for batch in load("imagenet", sys.argv[1], **{options} | {{"workers": 2}}).train.eval_batches(1):
        raise KeyError("the loop's own")
"""


def test_workers_end_with_a_run_that_fails(tmp_path):
    make_imagenet(tmp_path, train=20)
    (tmp_path / "abandoned.py").write_text(ABANDONED.format(options=OPTIONS))
    done = subprocess.run(
        [sys.executable, tmp_path / "abandoned.py", tmp_path],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=HANGS,
    )  # fmt: skip
    assert done.stderr.endswith('KeyError: "the loop\'s own"\n')
