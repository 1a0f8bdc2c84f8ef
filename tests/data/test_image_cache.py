"""Decoded images are kept beside the data set, and never believed blindly."""

import shutil

import numpy as np
import pytest

from .conftest import cache_files, fingerprints, write_image


def test_cache_is_reused_and_holds_no_pickle(cifar_root, decoded):
    first = fingerprints(cifar_root)
    assert len(decoded) == 50
    assert fingerprints(cifar_root) == first
    assert len(decoded) == 50
    (cached,) = cache_files(cifar_root)
    with np.load(cached, allow_pickle=False) as file:
        assert file["train"].shape == (30, 3, 32, 32)


def test_changed_image_is_decoded_anew_and_the_old_cache_goes(cifar_root, decoded):
    first = fingerprints(cifar_root)
    old = cache_files(cifar_root)
    write_image(cifar_root / "test" / "cat" / "1.png", 32, np.random.default_rng(9))
    assert fingerprints(cifar_root) != first
    assert len(decoded) == 100
    assert len(cache_files(cifar_root)) == 1
    assert cache_files(cifar_root) != old


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty"])
def test_corrupt_cache_is_rebuilt(cifar_root, decoded, damage):
    first = fingerprints(cifar_root)
    (cached,) = cache_files(cifar_root)
    content = bytearray(cached.read_bytes())
    content[len(content) // 2] ^= 4
    cached.write_bytes({"truncate": content[:-100], "flip": content, "empty": b""}[damage])
    assert fingerprints(cifar_root) == first
    assert len(decoded) == 100
    assert fingerprints(cifar_root) == first
    assert len(decoded) == 100


def test_root_that_cannot_be_written_is_read_all_the_same(cifar_root, monkeypatch):
    expected = fingerprints(cifar_root)
    shutil.rmtree(cifar_root / ".cache")
    (cifar_root / ".cache").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="decoding the files on every run"):
        assert fingerprints(cifar_root) == expected


def test_full_disk_leaves_no_half_written_cache(cifar_root, monkeypatch):
    def full(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("data.files.cache.np.savez", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        fingerprints(cifar_root)
    assert [path.name for path in (cifar_root / ".cache").iterdir()] == ["cifar10.lock"]
