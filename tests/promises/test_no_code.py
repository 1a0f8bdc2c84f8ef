"""Nothing in a file that is read is ever run, whatever the file says and whoever vouches for it."""

import contextlib
import io
import os
import pickle
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from calibration import summary
from data import DataError, load_ood
from data.files import cache
from experiments import audit, records, train
from experiments.records import files, predictions
from experiments.training import checkpoint
from models import build
from tests.support.commands import refused
from tests.support.corpora import write_encoder
from tests.support.runs import cli, tiny_run

pytestmark = pytest.mark.filterwarnings("ignore:Detected pickle protocol")


class Calls:
    """Unpickled, it calls `function` with `arguments`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def state(epoch) -> dict:
    """Like a run's checkpoint."""
    rng, optimizer = torch.get_rng_state(), {"state": {}, "param_groups": [{"lr": 0.1}]}
    return {"epoch": epoch, "model": {"w": torch.ones(3)}, "optimizer": optimizer, "rng": rng, "history": []}


def saved(content) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def zipped(pickled: bytes) -> bytes:
    """torch's zip format around a pickle written by hand."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in (("data.pkl", pickled), ("version", b"3\n"), ("byteorder", b"little")):
            archive.writestr(f"archive/{name}", content)
    return buffer.getvalue()


def hostile(marker: Path) -> dict[str, bytes]:
    """Files that make `marker` when a careless reader opens them."""
    shell, python = f"touch {marker}", f"open({str(marker)!r}, 'w')"
    system, evaluates = Calls(os.system, shell), Calls(eval, python)
    deep: object = system
    for level in range(20):
        deep = [deep] if level % 2 else {"x": deep}
    opcodes = f"cposix\nsystem\n(V{shell}\ntR.".encode()
    numbers = np.array([system, 1], dtype=object)
    array = io.BytesIO()
    np.savez(array, logits=numbers)
    return {
        "os.system": saved(system),
        "eval": saved(evaluates),
        "exec": saved(Calls(exec, python)),
        "subprocess": saved(Calls(subprocess.call, ["touch", str(marker)])),
        "nested": saved(state(2) | {"history": deep}),
        "optimizer state": saved(state(2) | {"optimizer": {"state": {0: {"momentum_buffer": system}}}}),
        "RNG state": saved(state(2) | {"rng": evaluates}),
        "a builtin": saved(state(2) | {"history": Calls(open, str(marker), "w")}),
        "a dict key": saved({(1, evaluates): 2}),
        "GLOBAL opcode": zipped(opcodes),
        "STACK_GLOBAL and getattr": zipped(pickle.dumps(Calls(getattr, Calls(__import__, "os"), "system"), protocol=4)),
        "a plain pickle": pickle.dumps(system),
        "torch's old format": _legacy(system),
        "an array of objects": array.getvalue(),
        "another class": saved(state(2) | {"model": Path(marker)}),
    }


def _legacy(content) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


KINDS = tuple(hostile(Path("marker")))


def vouch(folder: Path, content: bytes, epoch: int = 1) -> None:
    """Put `content` in the place of the current checkpoint with a sum that fits."""
    checkpoint.save(folder, state(epoch))
    checkpoint.save(folder, state(epoch + 1))
    sums = (folder / checkpoint.SUMS).read_text().splitlines()
    (folder / checkpoint.CURRENT).write_bytes(content)
    (folder / checkpoint.SUMS).write_text(f"{files.sha256(content)}  {checkpoint.CURRENT}\n{sums[1]}\n")


def test_the_files_are_hostile(tmp_path):
    """Most of them do make the marker where nobody is careful, so the other tests test something."""
    makes = 0
    for content in hostile(tmp_path / "marker").values():
        with contextlib.suppress(Exception):
            if b"logits.npy" in content:
                _ = np.load(io.BytesIO(content), allow_pickle=True)["logits"]
            elif content[:2] == b"PK":
                torch.load(io.BytesIO(content), weights_only=False)
            else:
                pickle.loads(content)
        makes += (tmp_path / "marker").exists()
        (tmp_path / "marker").unlink(missing_ok=True)
    assert makes >= 12, makes


@pytest.mark.parametrize("kind", KINDS)
def test_in_the_place_of_a_checkpoint(tmp_path, kind):
    vouch(tmp_path, hostile(tmp_path / "marker")[kind])
    said = []
    loaded = checkpoint.load(tmp_path, said.append)
    assert loaded["epoch"] == 1
    (line,) = said
    assert f"{tmp_path / checkpoint.CURRENT} is not a checkpoint of ours" in line
    assert not (tmp_path / "marker").exists()


def test_no_checkpoint_but_hostile_ones(tmp_path):
    refusals = 0
    for content in hostile(tmp_path / "marker").values():
        (tmp_path / checkpoint.CURRENT).write_bytes(content)
        (tmp_path / checkpoint.SUMS).write_text(f"{files.sha256(content)}  {checkpoint.CURRENT}\n")
        assert checkpoint.load(tmp_path, lambda text: None) is None
        assert not (tmp_path / "marker").exists()
        refusals += 1
    print(f"{refusals} of {len(KINDS)} hostile checkpoints refused, nothing was run")


def test_training_goes_on_past_a_hostile_checkpoint(tmp_path, capsys):
    run = tiny_run("ce")
    folder = run.folder(tmp_path)
    folder.mkdir(parents=True)
    content = hostile(tmp_path / "marker")["optimizer state"]
    (folder / checkpoint.CURRENT).write_bytes(content)
    (folder / checkpoint.SUMS).write_text(f"{files.sha256(content)}  {checkpoint.CURRENT}\n")
    assert train.main(cli(run, "--runs", str(tmp_path))) == 0
    assert "is not a checkpoint of ours" in capsys.readouterr().out
    assert not (tmp_path / "marker").exists()


def test_in_the_place_of_predictions(tmp_path, capsys):
    path = tmp_path / "predictions.npz"
    refusals = 0
    for content in hostile(tmp_path / "marker").values():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"predictions\.npz"):
            predictions.read(path)
        assert "predictions.npz" in refused(capsys, audit.main, str(path))
        with pytest.raises((ValueError, KeyError)):  # the sum is the hostile file's own
            _ = records.Record(tmp_path, {}, {"sha256": {path.name: files.sha256(content)}}).predictions["logits"]
        refusals += 1
    assert not (tmp_path / "marker").exists()
    print(f"{refusals} of {len(KINDS)} hostile predictions refused, nothing was run")


def test_in_the_place_of_cached_arrays_and_images(tmp_path):
    honest = {"x": np.arange(3)}
    place = tmp_path / cache.FOLDER / f"name-{'0' * 16}.npz"
    place.parent.mkdir()
    images = tmp_path / "CIFAR-10-C" / "gaussian_noise.npy"
    images.parent.mkdir()
    for content in hostile(tmp_path / "marker").values():
        place.write_bytes(content)
        read = cache.cached(tmp_path, "name", "0" * 16, lambda: honest)
        assert all(isinstance(content, bytes) or content.dtype == honest["x"].dtype for content in read.values())
        images.write_bytes(content)
        with pytest.raises(DataError):
            load_ood("cifar10-c", "cifar10", tmp_path)
    assert not (tmp_path / "marker").exists()


def test_in_the_place_of_an_encoders_weights(tmp_path):
    folder = write_encoder(tmp_path / "encoder")
    (folder / "model.safetensors").unlink()
    refusals = 0
    for content in hostile(tmp_path / "marker").values():
        for name in ("pytorch_model.bin", "model.safetensors"):
            (folder / name).write_bytes(content)
            with pytest.raises(ValueError, match="encoder") as caught:
                build("bert", "newsgroups", pretrained=str(folder))
            assert "\n" not in str(caught.value)
            (folder / name).unlink()
            refusals += 1
    assert not (tmp_path / "marker").exists()
    print(f"{refusals} of {2 * len(KINDS)} hostile encoders refused, nothing was run")


def test_scores_of_objects_are_refused():
    with pytest.raises((ValueError, TypeError)):
        summary(np.array([[{}, {}]], dtype=object), [0])
