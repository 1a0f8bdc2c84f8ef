"""A disk that fills up in the middle of a write costs nothing that was there before."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from experiments import records, train
from experiments.records import files
from experiments.records.provenance import ROOT
from experiments.training import checkpoint
from experiments.training.session import Session
from tests.support.commands import refused
from tests.support.full_disk import leave, small_disk
from tests.support.runs import cli, tiny_run

# Bytes left on the disk; what is written then takes 200,000.
FREE = (0, 4096, 8192, 16384, 40960, 65536, 98304, 131072, 163840, 196608)
SIZE = 200_000


def state(epoch: int) -> dict:
    return {"epoch": epoch, "weights": torch.full((SIZE // 4,), float(epoch))}


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", 1024) as place:
        yield place


def refused_for_space(call, *arguments) -> str:
    with pytest.raises(OSError) as caught:  # noqa: PT012
        call(*arguments)
        pytest.fail("the disk was not full")
    assert caught.value.errno == errno.ENOSPC
    return str(caught.value)


def test_a_checkpoint_on_a_full_disk(disk):
    held = 0
    for number, free in enumerate(FREE):
        folder = disk / str(number)
        folder.mkdir()
        checkpoint.save(folder, state(1))
        before = contents(folder)
        leave(disk, free)
        assert str(folder / checkpoint.CURRENT) in refused_for_space(checkpoint.save, folder, state(2))
        assert contents(folder) == before, f"{free} bytes free"
        loaded = checkpoint.load(folder)
        assert torch.equal(loaded["weights"], state(1)["weights"])
        (disk / "ballast").unlink()
        checkpoint.save(folder, state(3))  # once there is room again
        assert checkpoint.load(folder)["epoch"] == 3
        for path in folder.iterdir():
            path.unlink()
        held += 1
    print(f"{held} of {len(FREE)} full disks left the checkpoint before as it was, and nothing else")


def test_a_disk_that_fills_up_with_the_checkpoint_itself(disk):
    """Room for the checkpoint, none for its sum: the checkpoint must go again."""
    checkpoint.save(disk, state(1))
    before = contents(disk)
    room = len(before[checkpoint.CURRENT])
    leave(disk, room + 2 * os.statvfs(disk).f_frsize)
    real = files.write_bytes

    def fills_up(path, content):
        real(path, content)
        leave(disk, 0)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(files, "write_bytes", fills_up)
        refused_for_space(checkpoint.save, disk, state(2))
    (disk / "ballast").unlink()
    assert contents(disk) == before
    assert checkpoint.load(disk)["epoch"] == 1


@pytest.mark.parametrize(
    ("name", "write", "content"),
    [
        ("predictions.npz", files.write_npz, {"logits": np.random.default_rng(0).integers(0, 256, SIZE, np.uint8)}),
        ("result.json", files.write_json, {"text": "x" * SIZE}),
        ("history.csv", lambda path, text: files.write_bytes(path, text), b"1,2\n" * (SIZE // 4)),
    ],
)
def test_a_record_file_on_a_full_disk(disk, name, write, content):
    for free in FREE:
        write(disk / name, {} if name.endswith(("npz", "json")) else b"")
        before = contents(disk)
        leave(disk, free)
        refused_for_space(write, disk / name, content)
        (disk / "ballast").unlink()
        assert contents(disk) == before, f"{free} bytes free"
    print(f"{len(FREE)} of {len(FREE)} full disks left {name} as it was, and nothing else")


@pytest.fixture
def large_disk(tmp_path):
    with small_disk(tmp_path / "disk", 8192) as place:
        yield place


# Room for nothing; for folders and the lock; for config.json, history.csv and bins.csv, but for no checkpoint.
@pytest.mark.parametrize("free", [0, 8192, 65536])
def test_training_on_a_full_disk(large_disk, capsys, free):
    run = tiny_run("ce")
    arguments = cli(run, "--runs", str(large_disk), "--checkpoint-seconds", "0")
    leave(large_disk, free)
    line = refused(capsys, train.main, *arguments)
    assert "No space left on device" in line
    assert not list(large_disk.rglob("*.tmp"))
    assert not records.is_finished(run.folder(large_disk))
    for path in large_disk.rglob("*.json"):
        json.loads(path.read_text())
    (large_disk / "ballast").unlink()
    assert train.main(arguments) == 0, "the same command goes on once there is room"


def test_the_line_on_a_full_disk_says_where(large_disk):
    leave(large_disk, 0)
    command = [sys.executable, "-m", "experiments.train", *cli(tiny_run("ce"), "--runs", str(large_disk))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    if done.returncode != 2 or "Traceback" in done.stdout + done.stderr or done.stderr.count("\n") != 1:
        raise RuntimeError(done.stderr)  # not what is expected to fail
    assert str(large_disk) in done.stderr


def test_leftovers_of_a_killed_writer_are_removed(tmp_path):
    run = tiny_run("ce")
    folder = run.folder(tmp_path)
    folder.mkdir(parents=True)
    for name in (checkpoint.NEW, checkpoint.SUMS, *records.FILES):
        (folder / f".{name}.abc123.tmp").write_bytes(b"half")
    train.train(run, Session(runs=tmp_path, say=lambda text: None))
    assert not list(folder.glob(".*"))


class Killed(BaseException):
    pass


def cut_short(folder, epoch: int, patched, replaces: int) -> None:
    """Save, and die before the rename number `replaces`."""
    done, real = 0, os.replace

    def replace(*arguments):
        nonlocal done
        done += 1
        if done == replaces:
            raise Killed
        real(*arguments)

    with patched.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(Killed):
            checkpoint.save(folder, state(epoch))


@pytest.mark.parametrize("first", [1, 2, 3, 4])
@pytest.mark.parametrize("second", [1, 2, 3, 4])
def test_killed_twice_in_a_row(tmp_path, monkeypatch, first, second):
    """A sum of what never became the checkpoint must not push out the sum of what still is."""
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2))
    cut_short(tmp_path, 3, monkeypatch, first)
    assert checkpoint.load(tmp_path)["epoch"] == 2
    # where the first kill left no current checkpoint there are three renames, not four
    last = 3 if first == 4 else 4
    cut_short(tmp_path, 4, monkeypatch, min(second, last))
    assert checkpoint.load(tmp_path)["epoch"] == 2
    checkpoint.save(tmp_path, state(5))
    assert checkpoint.load(tmp_path)["epoch"] == 5
    (tmp_path / checkpoint.CURRENT).write_bytes(b"")
    assert checkpoint.load(tmp_path, lambda text: None)["epoch"] == 2


def test_a_save_over_a_damaged_checkpoint_keeps_the_sound_one_before(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2))
    (tmp_path / checkpoint.CURRENT).write_bytes(b"damaged")
    cut_short(tmp_path, 3, monkeypatch, 3)
    assert checkpoint.load(tmp_path, lambda text: None)["epoch"] == 1
    checkpoint.save(tmp_path, state(4))
    (tmp_path / checkpoint.CURRENT).write_bytes(b"damaged")
    assert checkpoint.load(tmp_path, lambda text: None)["epoch"] == 1
