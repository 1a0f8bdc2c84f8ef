"""A slot on a GPU, with tiny parts on a CPU: in time, whole at every moment, and its records fit to be published."""

import contextlib
import json
import lzma
import os
import signal
import subprocess
import sys
import tarfile
import time

import pytest
import torch

from experiments import publish, records
from experiments.command import INTERRUPTED
from experiments.gpu_slot import __main__ as command
from experiments.gpu_slot import measure
from experiments.gpu_slot.plan import Part, plan, preparations
from experiments.records.provenance import ROOT
from experiments.train import PREEMPTED, train
from experiments.training import checkpoint
from experiments.training.session import Session
from tests.experiments.test_interrupts import heed_interrupts
from tests.support.records import edit
from tests.support.runs import cli, tiny_run
from tests.support.training import silent
from tests.support.waiting import HANGS, started, wait_until

RUN = tiny_run("ce")


def program(text: str) -> tuple[str, ...]:
    return (sys.executable, "-u", "-c", text)


def training(run, runs) -> Part:
    return Part(
        "training", 60, (sys.executable, "-m", "experiments.train", *cli(run, "--runs", str(runs))), trains=True
    )


@pytest.fixture
def slot(tmp_path, monkeypatch):
    """Run the command with these parts; gives its results."""

    def with_parts(*parts, prepared=()):
        monkeypatch.setattr(command, "plan", lambda device, runs, data: list(parts))
        monkeypatch.setattr(command, "preparations", lambda device, data: dict(prepared))
        where = ["--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs"), "--data-root", str(tmp_path)]
        assert command.main([*where, "--minutes", str(HANGS / 60), "--device", "cpu"]) == 0
        return json.loads((tmp_path / "out" / "slot.json").read_text())

    return with_parts


def test_results_records_and_what_fails(slot, tmp_path):
    said = 'print(\'{"rate": 3}\'); print("{no json"); print("tests/a.py::test_b PASSED [ 1%]"); raise SystemExit(4)'
    found = slot(Part("says", HANGS, program(said)), training(RUN, tmp_path / "runs"))
    part = found["parts"]["says"]
    assert (part["rate"], part["tests/a.py::test_b"], part["status"], part["in_time"]) == (3, "passed", 4, True)
    assert part["last"] == ["{no json"]
    assert found["parts"]["training"]["status"] == 0
    assert found["records"] == [str(RUN)]
    with tarfile.open(tmp_path / "out" / "records.tar") as tar:
        assert tar.getnames() == [f"{RUN}/{name}" for name in records.FILES]


def test_a_part_beyond_its_box_is_ended_and_the_next_has_its_turn(slot):
    long = program("print('{\"before\": 1}'); import time; time.sleep(60); print('{\"after\": 1}')")
    found = slot(Part("long", 1, long), Part("next", HANGS, program("print('{\"here\": 1}')")))
    long = found["parts"]["long"]
    assert (long["before"], long["in_time"], long["status"]) == (1, False, -signal.SIGKILL)
    assert found["parts"]["next"]["here"] == 1


def test_what_trains_is_asked_to_stop_and_leaves_a_checkpoint(slot, tmp_path, monkeypatch):
    run = tiny_run("ce", 0, "epochs=100000", "milestones=99999")
    begun = run.folder(tmp_path / "runs") / records.HISTORY
    monkeypatch.setattr(command, "noticed", lambda: contextlib.nullcontext(begun.exists))  # as if a signal came then
    found = slot(training(run, tmp_path / "runs"), Part("never begun", HANGS, program("")))
    assert list(found["parts"]) == ["training"]
    assert found["parts"]["training"]["in_time"] is False
    assert found["parts"]["training"]["status"] == PREEMPTED
    assert (run.folder(tmp_path / "runs") / checkpoint.CURRENT).exists()
    assert found["records"] == []


def test_in_the_last_seconds_nothing_is_begun(tmp_path):
    made = command.Slot(tmp_path, tmp_path / "runs", "cpu", time.monotonic() + command.LAST)
    made.run(Part("late", HANGS, ("no such program",)))
    assert json.loads((tmp_path / "slot.json").read_text())["parts"] == {"late": {"skipped": "no time was left"}}


def test_a_part_waits_for_the_data_that_it_trains_on(slot):
    ready = Part("made ready", HANGS, program("import time; time.sleep(2); print('{\"ready\": 1}')"))
    uses = Part("uses", HANGS, (*program("print('{\"used\": 1}')"), "digits"))
    found = slot(uses, prepared={"digits": ready})
    assert list(found["parts"]) == ["made ready", "uses"]


KILLED = """
import sys
from experiments.gpu_slot import __main__ as command
from experiments.gpu_slot.plan import Part
many = 'import time\\nfor i in range(4000): print(chr(123) + chr(34) + str(i) + chr(34) + ": 1}"); time.sleep(0.002)'
command.plan = lambda *_: [Part("many", 60, (sys.executable, "-u", "-c", many))]
sys.exit(command.main(sys.argv[1:]))
"""


def test_killed_half_way_it_leaves_whole_files(tmp_path):
    path = tmp_path / "out" / "slot.json"

    def found() -> int:
        return len(json.loads(path.read_text())["parts"].get("many", ())) if path.exists() else 0

    command = [sys.executable, "-c", KILLED, "--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with started(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: found() >= 30, process)
    assert found() >= 30  # it was killed


@pytest.fixture
def packed(tmp_path):
    """A slot over some finished runs, which are packed."""

    def of(*runs):
        for run in runs:
            train(run, Session(runs=tmp_path / "runs", say=silent))
            edit(run.folder(tmp_path / "runs") / records.CONFIG, lambda c: c["environment"].update(git_commit="0" * 40))
        made = command.Slot(tmp_path, tmp_path / "runs", "cpu", time.monotonic() + HANGS)
        made.pack()
        return json.loads((tmp_path / "slot.json").read_text())

    return of


def test_records_stay_below_what_can_be_brought_back(packed, tmp_path, monkeypatch):
    runs = [tiny_run(method) for method in ("adafocal", "ce", "ls")]
    packed(runs[0])
    room = (tmp_path / "records.tar").stat().st_size + 40_000  # not enough for two
    monkeypatch.setattr(command, "LARGEST", room)
    found = packed(*runs)
    assert found["records"] == [str(runs[0])]
    assert found["records_left_out"] == [str(run) for run in runs[1:]]
    assert (tmp_path / "records.tar").stat().st_size < room


def test_publish_takes_the_tar(packed, tmp_path):
    packed(RUN)
    assert publish.main([str(tmp_path / "records.tar"), "--into", str(tmp_path / "published")]) == 0
    assert records.read(RUN.folder(tmp_path / "published"), RUN).predictions


def test_word_vectors_are_unpacked_beside_a_data_root_that_packs_them(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "cifar10-part1.zip").write_bytes(b"zip")
    (tmp_path / "root" / "glove.6B.100d.txt.xz").write_bytes(lzma.compress(b"the 0.1 0.2\n"))
    root = command.root_of(str(tmp_path / "root"), tmp_path / "place")
    assert root == str(tmp_path / "place")
    assert (tmp_path / "place" / "glove.6B.100d.txt").read_bytes() == b"the 0.1 0.2\n"
    assert (tmp_path / "place" / "cifar10-part1.zip").read_bytes() == b"zip"
    (tmp_path / "root" / "glove.6B.100d.txt").write_bytes(b"the 0.1 0.2\n")
    assert command.root_of(str(tmp_path / "root"), tmp_path / "place") == str(tmp_path / "root")


def test_another_data_root_takes_the_place_of_the_first(tmp_path, capsys):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "news.tar").write_text(name)
        (tmp_path / name / f"glove.{name}.txt.xz").write_bytes(lzma.compress(name.encode()))
    place = tmp_path / "place"
    for name in "aba":
        command.root_of(str(tmp_path / name), place)
        assert (place / "news.tar").read_text() == name
        assert [path.read_text() for path in place.glob("glove.*.txt")] == [name]
    (tmp_path / "a" / "glove.a.txt.xz").write_bytes(lzma.compress(b"a")[:-20])
    with pytest.raises(ValueError, match=r"cannot unpack .*glove\.a\.txt\.xz"):
        command.root_of(str(tmp_path / "a"), place)


WITH_TWO_PARTS = """
import sys
from experiments.gpu_slot import __main__ as command
from experiments.gpu_slot.plan import Part
sleeps = (sys.executable, "-c", "import os, time; print(chr(123) + chr(34) + 'pid' + chr(34) + f': {os.getpid()}}}', "
    "flush=True); time.sleep(600)")
command.plan = lambda *_: [Part("first", 600, sleeps)]
command.preparations = lambda *_: {"no part's": Part("meanwhile", 600, sleeps)}
sys.exit(command.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, 0)])
def test_no_process_outlives_a_slot_that_is_stopped(tmp_path, number, status):
    path = tmp_path / "out" / "slot.json"

    def pids() -> list[int]:
        parts = json.loads(path.read_text())["parts"].values() if path.exists() else ()
        return [part["pid"] for part in parts if "pid" in part]

    called = [sys.executable, "-c", WITH_TWO_PARTS, "--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    where = {"cwd": ROOT, "env": os.environ | {"PYTHONPATH": str(ROOT)}}
    where |= {"preexec_fn": heed_interrupts, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with started([*called, "--device", "cpu"], **where) as process:
        wait_until(lambda: len(pids()) == 2, process)
        begun = pids()
        process.send_signal(number)
        _, said = process.communicate(timeout=HANGS)
    assert process.returncode == status
    assert "Traceback" not in said
    for pid in begun:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_part_is_a_command_that_exists(device, tmp_path):
    parts = [*plan(device, tmp_path, "here"), *preparations(device, "here").values()]
    assert [part.name for part in parts][:2] == ["machine", "tests" if device == "cuda" else "speed"]
    for part in parts:
        module, *rest = part.command[3:]
        if module == "experiments.gpu_slot.measure":
            assert rest[0] in measure.MEASUREMENTS
        if module == "experiments.run":
            done = subprocess.run(
                [sys.executable, "-m", module, *rest, "--dry-run", "--device", "cpu"],
                cwd=ROOT, capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr


@pytest.mark.slow  # to compile
def test_the_machine_and_a_compiled_net_are_measured_on_a_cpu_too(capsys):
    measure.machine(torch.device("cpu"))
    measure.compiled(torch.device("cpu"), "resnet8")
    found = {name: value for line in capsys.readouterr().out.splitlines() for name, value in json.loads(line).items()}
    assert found["copy_gb_per_second"] > 0
    assert found["matmul_float32_tflops"] > 0
    assert found["images_per_second"] > 0


@pytest.mark.parametrize("minutes", ["0.5", "nan", "inf"])
def test_a_slot_too_short_for_its_end_is_refused(tmp_path, capsys, minutes):
    assert command.main(["--minutes", minutes, "--out", str(tmp_path / "out")]) == 2
    assert f"--minutes must leave more than the last 30 seconds, got {minutes}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
