"""Runs that are stopped, signalled and killed at any moment end in the record of an undisturbed one."""

import itertools
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from experiments import records, status
from experiments.methods import METHODS
from experiments.records import provenance
from experiments.train import PREEMPTED, main, train
from experiments.training import checkpoint
from experiments.training.errors import Preempted
from experiments.training.session import Session
from experiments.training.signals import STOP, noticed
from tests.support.runs import cli, tiny_run
from tests.support.training import After, record_of, silent
from tests.support.waiting import HANGS

FORK = multiprocessing.get_context("fork")  # a child that has torch already can be killed a hundred times


def undisturbed(run, runs) -> dict:
    train(run, Session(runs=runs, say=silent))
    return record_of(run.folder(runs))


@pytest.mark.parametrize("method", METHODS)
def test_stopping_in_the_middle_of_epochs_changes_nothing(method, tmp_path):
    run = tiny_run(method)
    expected = undisturbed(run, tmp_path / "whole")
    stops = 0
    for steps in (1, 2, 4, 0, 3):
        try:
            train(run, Session(runs=tmp_path / "parts", say=silent, should_stop=After(steps)))
        except Preempted:
            stops += 1
    assert stops >= 4
    train(run, Session(runs=tmp_path / "parts", say=silent))
    assert record_of(run.folder(tmp_path / "parts")) == expected


@pytest.fixture
def stopped(tmp_path):
    """A run that was stopped in its second epoch, and its folder of runs."""
    run = tiny_run("ce")
    with pytest.raises(Preempted):
        train(run, Session(runs=tmp_path, say=silent, should_stop=After(5)))
    return run, tmp_path


def test_a_record_names_every_machine_and_commit_of_its_run(stopped, monkeypatch):
    run, runs = stopped
    monkeypatch.setattr(provenance, "_cpu_name", lambda: "another CPU")
    monkeypatch.setattr(provenance, "git_commit", lambda: "1" * 40)
    with pytest.raises(Preempted):
        train(run, Session(runs=runs, say=silent, should_stop=After(4)))
    train(run, Session(runs=runs, say=silent))  # of the same place: no session of its own
    first, last = records.environments((record := records.read(run.folder(runs), run)).config)
    assert (first["first_epoch"], last["first_epoch"]) == (1, 2)
    assert record.commits == [first["git_commit"] or "unknown", "1" * 40]
    assert record.computed_on == [f"{first['device']} in float32", "another CPU in float32"]
    assert status._device(run.folder(runs)) == f"{first['device']}, then another CPU"


def test_a_checkpoint_of_an_older_version_goes_on(stopped, tmp_path):
    run, runs = stopped
    state = checkpoint.load(run.folder(runs))
    del state["environments"]  # config.json knows
    state["identity"]["recipe"] |= {"precision": "auto", "threads": 4, "eval_batch_size": 7}  # of other defaults
    checkpoint.save(run.folder(runs), state)
    train(run, Session(runs=runs, say=silent))
    assert record_of(run.folder(runs)) == undisturbed(run, tmp_path / "whole")
    assert len(records.environments(records.read(run.folder(runs), run).config)) == 1


def test_gamma_updates_within_an_epoch_and_dropout_go_on_too(tmp_path):
    from experiments.grid import Run

    settings = ("epochs=2", "data_options.train_size=200", "update_every=3")
    run = Run.make("demo", "topics", "cnn", "adafocal", 0, settings)
    expected = undisturbed(run, tmp_path / "whole")
    for steps in (3, 1, 2):
        with pytest.raises(Preempted):
            train(run, Session(runs=tmp_path / "parts", say=silent, should_stop=After(steps)))
    train(run, Session(runs=tmp_path / "parts", say=silent))
    assert record_of(run.folder(tmp_path / "parts")) == expected


def test_a_long_epoch_has_checkpoints_of_its_own(tmp_path, monkeypatch):
    from experiments.training import loop as trainer

    monkeypatch.setattr(trainer, "LOOK_EVERY", 1)
    monkeypatch.setattr(trainer, "LONG", 0)
    saved = []
    original = checkpoint.save
    monkeypatch.setattr(
        checkpoint, "save", lambda folder, state: (saved.append(state["part"]), original(folder, state))
    )
    train(tiny_run("ce"), Session(runs=tmp_path, say=silent))
    assert any(part and part["steps"] == 1 for part in saved)


@pytest.mark.parametrize("number", STOP)
def test_a_signal_is_noticed_and_the_former_handler_comes_back(number):
    before = signal.getsignal(number)
    with noticed() as came:
        assert not came()
        os.kill(os.getpid(), number)
        assert came()
    assert signal.getsignal(number) is before


def child(run, runs, started, write):
    if write:
        kill_in_a_write(run.folder(runs), write)
    started.set()
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    os._exit(main(cli(run, "--runs", str(runs), "--checkpoint-seconds", "0", "--device", "cpu")))


def kill_in_a_write(folder, number):
    """Have this process kill itself before that sync or rename of those of which checkpoints' writes consist."""
    calls = itertools.count(1)

    def or_die(function):
        def call(*arguments):
            if half_written(folder) and next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        return call

    os.fsync, os.replace = or_die(os.fsync), or_die(os.replace)


def start(run, runs, write=0):
    started = FORK.Event()
    process = FORK.Process(target=child, args=(run, runs, started, write))
    process.start()
    started.wait()
    return process


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("count", [pytest.param(6), pytest.param(50, marks=pytest.mark.slow)])
def test_signals_at_random_moments(count, tmp_path, capsys):
    draw = random.Random(0)
    run = tiny_run("adafocal", 0, "epochs=12")
    begin = time.monotonic()
    expected = undisturbed(run, tmp_path / "whole")
    duration = time.monotonic() - begin
    sent = rounds = 0
    while sent < count:
        rounds += 1
        runs, longest = tmp_path / str(rounds), duration
        while not records.is_finished(run.folder(runs)):
            process = start(run, runs)
            process.join(draw.uniform(0, longest))
            longest *= 1.2  # so that a run ends though the machine has become slower
            if process.is_alive():
                os.kill(process.pid, draw.choice(STOP))
                sent += 1
                process.join(HANGS)
            # a signal before the run listens ends it as any process
            assert process.exitcode in (0, PREEMPTED, *(-number for number in STOP))
            assert not (run.folder(runs) / ".lock").exists() or process.exitcode < 0
        assert record_of(run.folder(runs)) == expected
    with capsys.disabled():
        print(f" {sent} signals in {rounds} runs, all records identical", end="")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("count", "writing"), [(6, 1), pytest.param(100, 20, marks=pytest.mark.slow)])
def test_kills_at_random_moments_and_during_checkpoint_writes(count, writing, tmp_path, capsys):
    draw = random.Random(1)
    runs_of_method = [
        tiny_run(method, 0, "epochs=12") for method in ("adafocal", "ce", "mmce", "brier", "ls", "flsd53")
    ]
    expected, duration = {}, 1.0
    for run in runs_of_method[: 1 if count < 10 else None]:
        begin = time.monotonic()
        expected[run] = undisturbed(run, tmp_path / "whole")
        duration = time.monotonic() - begin
    kills = in_write = rounds = 0
    while kills < count or in_write < writing:
        run = list(expected)[rounds % len(expected)]
        rounds += 1
        runs, longest = tmp_path / str(rounds), duration
        folder = run.folder(runs)
        while not records.is_finished(folder):
            write = draw.randint(1, 60) if in_write < writing and kills % 2 == 0 else 0  # a run has some 90
            process = start(run, runs, write)
            if not write:
                process.join(draw.uniform(0, longest))
                longest *= 1.2  # so that a run ends though the machine has become slower
                process.kill()
            process.join()
            if process.exitcode == -signal.SIGKILL:
                kills += 1
                assert half_written(folder) or not write
                in_write += bool(half_written(folder))
                if (folder / checkpoint.CURRENT).exists() or (folder / checkpoint.PREVIOUS).exists():
                    assert checkpoint.load(folder, silent) is not None, "no sound checkpoint is left"
        assert record_of(folder) == expected[run]
        assert not half_written(folder), "what a killed write left is still there"
        assert not list(folder.glob(".*.tmp"))
    with capsys.disabled():
        print(f" {kills} kills, {in_write} in a checkpoint's write, {rounds} records identical", end="")


def half_written(folder: Path) -> list[Path]:
    """What only exists while a checkpoint is being written."""
    return [*folder.glob(f".{checkpoint.NEW}.*"), *folder.glob(checkpoint.NEW)] if folder.exists() else []
