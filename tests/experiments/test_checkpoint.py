import os
import zipfile

import pytest
import torch

from experiments.records import files
from experiments.training import checkpoint


def state(epoch: int) -> dict:
    return {"epoch": epoch, "weights": torch.full((50,), float(epoch)), "history": [{"epoch": epoch, "loss": 0.5}]}


def test_round_trip_and_previous(tmp_path):
    assert checkpoint.load(tmp_path) is None
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2))
    loaded = checkpoint.load(tmp_path)
    assert loaded["epoch"] == 2
    assert torch.equal(loaded["weights"], state(2)["weights"])
    assert loaded["history"] == state(2)["history"]


def test_every_flipped_bit_is_seen_and_the_previous_checkpoint_used(tmp_path):
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2))
    path = tmp_path / checkpoint.CURRENT
    sound = path.read_bytes()
    for bit in range(0, 8 * len(sound), 8 * len(sound) // 200):
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        said = []
        assert checkpoint.load(tmp_path, said.append)["epoch"] == 1
        assert str(path) in said[0]


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_truncation_is_seen(tmp_path, kept):
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2))
    path = tmp_path / checkpoint.CURRENT
    path.write_bytes(path.read_bytes()[:kept])
    assert checkpoint.load(tmp_path, lambda text: None)["epoch"] == 1


def test_both_damaged_means_starting_over(tmp_path):
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2))
    for name in (checkpoint.CURRENT, checkpoint.PREVIOUS):
        (tmp_path / name).write_bytes(b"")
    assert checkpoint.load(tmp_path, lambda text: None) is None


class Killed(BaseException):
    pass


@pytest.mark.parametrize("call", range(1, 7))
def test_a_kill_between_any_two_steps_leaves_a_sound_checkpoint(tmp_path, monkeypatch, call):
    """save() replaces and syncs six times; die before each of these in turn."""
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2))
    calls = 0

    def dying(real):
        def replace(*arguments):
            nonlocal calls
            calls += 1
            if calls == call:
                raise Killed
            return real(*arguments)

        return replace

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", dying(os.replace))
        patched.setattr(files, "sync_folder", dying(files.sync_folder))
        try:
            checkpoint.save(tmp_path, state(3))
        except Killed:
            assert calls == call
    assert checkpoint.load(tmp_path)["epoch"] in (2, 3)
    checkpoint.save(tmp_path, state(4))
    assert checkpoint.load(tmp_path)["epoch"] == 4


def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, state(1))

    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            checkpoint.save(tmp_path, state(2))
    assert checkpoint.load(tmp_path)["epoch"] == 1
    assert not list(tmp_path.glob("*.tmp"))
    assert not list(tmp_path.glob(".*.tmp"))


class Hostile:
    def __reduce__(self):
        return os.system, ("touch hostile-was-here",)


def test_a_strangers_pickle_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"epoch": Hostile()}, tmp_path / checkpoint.CURRENT)
    digest = files.sha256((tmp_path / checkpoint.CURRENT).read_bytes())
    (tmp_path / checkpoint.SUMS).write_text(f"{digest}  {checkpoint.CURRENT}\n")  # even with a sum that fits
    assert zipfile.is_zipfile(tmp_path / checkpoint.CURRENT)
    assert checkpoint.load(tmp_path) is None
    assert not (tmp_path / "hostile-was-here").exists()
