"""Out-of-distribution sets: where they come from, and that they look like the in-distribution images to a model."""

import hashlib
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from data import SHIFTS, DataError, load, load_ood, ood
from data.ood import add_noise


def test_noise_is_the_published_formula():
    images = torch.full((400, 3, 8, 8), 128, dtype=torch.uint8)
    noisy = add_noise(images, 0.10, seed=0)
    assert noisy.dtype == torch.uint8
    # cut down, not rounded: half a level is lost; 0.1 of 255 levels is 25.5
    assert noisy.double().mean() == pytest.approx(127.5, abs=0.3)
    assert noisy.double().std() == pytest.approx(25.5, rel=0.01)
    assert torch.equal(noisy, add_noise(images, 0.10, seed=0))
    assert not torch.equal(noisy, add_noise(images, 0.10, seed=1))
    assert add_noise(torch.zeros(50, 1, 8, 8, dtype=torch.uint8), 0.10, 0).double().mean() == pytest.approx(
        25.5 / np.sqrt(2 * np.pi) - 0.25, abs=0.5  # the half of a normal distribution that is not clipped
    )  # fmt: skip


def test_the_demos_sets():
    test = load("digits").test
    photos, noise = load_ood("photos", "digits"), load_ood("noise", "digits")
    assert len(photos) == 1000
    assert len(noise) == len(test)
    for split in (photos, noise):
        batch = next(iter(split.eval_batches(64)))
        assert batch.inputs.shape == (64, 1, 8, 8)
        assert batch.inputs.dtype == torch.float32
        assert split.num_classes == 1
    assert load_ood("photos", "digits").fingerprint == photos.fingerprint
    assert load_ood("photos", "digits", seed=1).fingerprint != photos.fingerprint


def test_normalisation_is_that_of_the_in_distribution_images(tmp_path):
    from PIL import Image

    test = load("digits").test
    Image.fromarray(test.images[0, 0].numpy()).save(tmp_path / "same.png")
    folder = load_ood(tmp_path, "digits")
    assert torch.equal(folder[0][0], test[0][0])


def test_svhn(tmp_path, monkeypatch):
    from scipy.io import savemat

    with pytest.raises(DataError, match=r"no svhn in .*fetch http.*put it at .*test_32x32\.mat"):
        load_ood("svhn", "cifar10", root=tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 7), np.uint8)
    savemat(tmp_path / ood.SVHN_FILE, {"X": pixels, "y": np.ones((7, 1))})
    with pytest.raises(DataError, match="wrong MD5"):
        load_ood("svhn", "cifar10", root=tmp_path)
    md5 = hashlib.md5((tmp_path / ood.SVHN_FILE).read_bytes()).hexdigest()
    monkeypatch.setattr(ood, "SVHN_MD5", md5)
    split = load_ood("svhn", "cifar10", root=tmp_path)
    assert torch.equal(split.images[3], torch.from_numpy(pixels[..., 3].transpose(2, 0, 1).copy()))


def test_the_official_noise_is_paired_with_labels_only_where_it_is_of_the_images_in_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(ood, "CIFAR10_C_SIZE", 200)
    (tmp_path / "CIFAR-10-C").mkdir()
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (40, 3, 32, 32), np.uint8))
    noisy = torch.cat([add_noise(images, sigma, 7) for sigma in ood.CIFAR10_C_SIGMAS])
    np.save(tmp_path / ood.CIFAR10_C_FILE, noisy.permute(0, 2, 3, 1).numpy())

    def noise(severity, images):
        test = SimpleNamespace(images=images)
        return load_ood(f"gaussian-noise-{severity}", "cifar10", root=tmp_path, in_test=lambda: test)

    for severity, part in enumerate(noisy.split(40), start=1):
        found = noise(severity, images)
        assert found.note == f"official CIFAR-10-C/gaussian_noise.npy, severity {severity}"
        assert torch.equal(found.images, part)
        for others in (images.flip(0), images[:30]):
            found = noise(severity, others)
            assert found.note.startswith("generated: test images")
            assert "in another order" in found.note
            assert torch.equal(found.images, add_noise(others, ood.CIFAR10_C_SIGMAS[severity - 1], 0))


def test_a_folder_is_walked_through_links_and_hidden_files_are_left_out(tmp_path):
    from PIL import Image

    for name in ("set/a/1.png", "elsewhere/2.png", "set/.hidden/3.png", "set/4.JPG", "set/a/note.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(tmp_path / name, format="png")
    (tmp_path / "set/b").symlink_to(tmp_path / "elsewhere")
    found = load_ood(tmp_path / "set", "digits")
    assert (len(found), found.note) == (3, "folder set")


def test_cifar10_c_is_the_official_file_or_generated(tmp_path, monkeypatch):
    test = load("digits").test  # any split with uint8 images
    generated = load_ood("cifar10-c", "cifar10", root=tmp_path, in_test=lambda: test)
    assert "generated: test images + N(0, 0.10)" in generated.note
    (tmp_path / "CIFAR-10-C").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), np.uint8)
    np.save(tmp_path / ood.CIFAR10_C_FILE, pixels)
    with pytest.raises(DataError, match=r"must be uint8 \[50000, 32, 32, 3\], got uint8 \[50, 32, 32, 3\]"):
        load_ood("cifar10-c", "cifar10", root=tmp_path)  # its last fifth would be nobody's
    monkeypatch.setattr(ood, "CIFAR10_C_SIZE", 50)
    official = load_ood("cifar10-c", "cifar10", root=tmp_path)
    assert official.note == "official CIFAR-10-C/gaussian_noise.npy, severity 5"
    assert torch.equal(official.images, torch.from_numpy(pixels[40:]).permute(0, 3, 1, 2))
    os.truncate(tmp_path / ood.CIFAR10_C_FILE, 10_000)
    with pytest.raises(DataError, match="truncated or no array file"):
        load_ood("cifar10-c", "cifar10", root=tmp_path)
    np.save(tmp_path / ood.CIFAR10_C_FILE, np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError, match="truncated or no array file"):
        load_ood("cifar10-c", "cifar10", root=tmp_path)
    np.save(tmp_path / ood.CIFAR10_C_FILE, pixels.astype(np.float32))
    with pytest.raises(DataError, match="must be uint8"):
        load_ood("cifar10-c", "cifar10", root=tmp_path)


def test_shifts_rise_and_keep_the_order_of_the_test_images():
    test = load("digits").test
    assert tuple(f"gaussian-noise-{severity}" for severity in range(1, 6)) == SHIFTS
    for name, sigma in (("cifar10", (0.04, 0.06, 0.08, 0.09, 0.10)), ("digits", (0.2, 0.4, 0.6, 0.8, 1.0))):
        shifted = [load_ood(shift, name, root="nowhere", in_test=lambda: test) for shift in SHIFTS]
        for split, expected in zip(shifted, sigma, strict=True):
            assert f"N(0, {expected:.2f})" in split.note
            assert torch.equal(split.images, add_noise(test.images, expected, seed=0))


def test_pairs_that_cannot_be(tmp_path):
    for name, dataset, message in (
        (
            "svhn",
            "digits",
            "'svhn' does not fit digits: choose from photos, noise, .*, a folder of images",
        ),
        ("lsun", "cifar10", "'lsun' is unknown.* choose from svhn, cifar10-c, .*, a folder"),
        ("svhn", "newsgroups", "no out-of-distribution images for 'newsgroups'"),
    ):
        with pytest.raises(ValueError, match=message):
            load_ood(name, dataset, root=tmp_path)
