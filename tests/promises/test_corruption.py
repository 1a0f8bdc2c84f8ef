"""No damaged checkpoint is trained on: it is named, and the one before it taken."""

import random

import pytest
import torch

from experiments.training import checkpoint

QUICK = (100, 30)
MANY = pytest.param((1000, 300), marks=pytest.mark.slow)


def state(epoch: int) -> dict:
    generator = torch.Generator().manual_seed(epoch)
    model = {"weight": torch.randn(64, 32, generator=generator), "steps": torch.tensor(epoch)}
    momentum = {"state": {0: {"momentum_buffer": torch.randn(64, 32, generator=generator)}}}
    return {"epoch": epoch, "model": model, "optimizer": momentum, "history": [{"epoch": epoch, "loss": 0.5}]}


def same(loaded: dict, expected: dict) -> bool:
    return str(loaded) == str(expected) and torch.equal(loaded["model"]["weight"], expected["model"]["weight"])


@pytest.fixture
def folder(tmp_path):
    """A folder whose checkpoint is of epoch 2 and whose previous one is of epoch 1."""
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2))
    assert same(checkpoint.load(tmp_path), state(2))
    return tmp_path


def falls_back(folder) -> bool:
    said = []
    loaded = checkpoint.load(folder, said.append)
    assert same(loaded, state(1))
    (line,) = said
    return f"{folder / checkpoint.CURRENT} is damaged" in line and "\n" not in line


def flipped(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


@pytest.mark.parametrize("counts", [QUICK, MANY])
def test_flipped_bits_and_truncations(folder, counts):
    rng, path = random.Random(0), folder / checkpoint.CURRENT
    sound = path.read_bytes()
    num_flips, num_cuts = counts
    flips = cuts = 0
    for bit in rng.sample(range(8 * len(sound)), num_flips):
        path.write_bytes(flipped(sound, bit))
        flips += falls_back(folder)
    for length in rng.sample(range(len(sound)), num_cuts):
        path.write_bytes(sound[:length])
        cuts += falls_back(folder)
    print(f"{flips} of {num_flips} bit flips and {cuts} of {num_cuts} truncations detected")
    assert (flips, cuts) == counts


@pytest.mark.parametrize("counts", [QUICK, MANY])
def test_both_damaged(folder, counts):
    rng = random.Random(1)
    paths = [folder / name for name in (checkpoint.CURRENT, checkpoint.PREVIOUS)]
    sound = [path.read_bytes() for path in paths]
    for _ in range(counts[1]):
        for path, content in zip(paths, sound, strict=True):
            path.write_bytes(flipped(content, rng.randrange(8 * len(content))))
        said = []
        assert checkpoint.load(folder, said.append) is None
        assert [str(path) in line for path, line in zip(paths, said, strict=True)] == [True, True]
    print(f"{counts[1]} of {counts[1]} pairs of damaged checkpoints refused")


@pytest.mark.parametrize("counts", [QUICK, MANY])
def test_damaged_sums_load_nothing_wrong(folder, counts):
    """A flip in the sums may cost a checkpoint, but never makes a damaged one pass."""
    rng, path = random.Random(2), folder / checkpoint.SUMS
    sound, weights = path.read_bytes(), (folder / checkpoint.CURRENT).read_bytes()
    for bit in rng.sample(range(8 * len(sound)), counts[0]):
        path.write_bytes(flipped(sound, bit))
        loaded = checkpoint.load(folder, lambda text: None)
        assert loaded is None or same(loaded, state(loaded["epoch"]))
        (folder / checkpoint.CURRENT).write_bytes(flipped(weights, rng.randrange(8 * len(weights))))
        loaded = checkpoint.load(folder, lambda text: None)
        assert loaded is None or same(loaded, state(1))
        (folder / checkpoint.CURRENT).write_bytes(weights)
    for content in (b"", b"\n", b"  \n", sound[:50], rng.randbytes(200)):
        path.write_bytes(content)
        loaded = checkpoint.load(folder, lambda text: None)
        assert loaded is None or same(loaded, state(2))
    print(f"{counts[0]} of {counts[0]} bit flips in {checkpoint.SUMS} loaded nothing wrong")
