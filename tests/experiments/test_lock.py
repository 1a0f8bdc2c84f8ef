import subprocess
import sys

import pytest

from experiments.lock import RunIsLocked, only_writer
from experiments.provenance import ROOT

HOLD = """
import sys, time
from pathlib import Path
from experiments.lock import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_says_who_holds_it(tmp_path, holder):
    with pytest.raises(RunIsLocked, match=f"trained by process {holder.pid} on "), only_writer(tmp_path):
        pass
    assert holder.poll() is None


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path, holder):
    holder.kill()
    holder.wait()
    with only_writer(tmp_path):
        assert (tmp_path / ".lock").exists()
    assert not list(tmp_path.iterdir())


def test_an_error_inside_frees_it(tmp_path):
    with pytest.raises(KeyError), only_writer(tmp_path):
        raise KeyError
    with only_writer(tmp_path):
        pass
