"""Images of 16 bits, in every reader of images: their high bytes, never white."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from data import DataError, load_ood
from data.files.image_folder import decode
from data.files.pixels import as_mode
from data.files.tree import FolderTree
from data.splits.lazy import LazySplit
from tests.data.conftest import write_image

RAMP = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
HIGH = (RAMP >> 8).astype(np.uint8)


@pytest.fixture
def folders(tmp_path):
    """A folder with the image of 16 bits, and one with its 8 high bits."""
    for name, pixels in (("sixteen", RAMP), ("eight", HIGH)):
        (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / name / "x.png")
    return tmp_path / "sixteen", tmp_path / "eight"


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_high_bytes(mode):
    buffer = io.BytesIO()
    Image.fromarray(RAMP).save(buffer, "PNG")
    for image in (Image.open(buffer), Image.fromarray(RAMP)):
        found = np.asarray(as_mode(image, mode))
        assert np.array_equal(found if mode == "L" else found[..., 1], HIGH)


def test_other_images_are_converted_as_ever():
    rng = np.random.default_rng(0)
    for shape in ((8, 8), (8, 8, 3), (8, 8, 4)):
        image = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
        assert np.array_equal(np.asarray(as_mode(image, "RGB")), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["I", "F"])
def test_what_has_no_known_white_is_refused(mode):
    with pytest.raises(ValueError, match=f"32 bits a pixel \\(mode {mode}\\): save it with 8"):
        as_mode(Image.new(mode, (2, 2)), "RGB")


@pytest.mark.parametrize("dataset", ["cifar10", "digits", "imagenet"])
def test_folders_of_out_of_distribution_images(folders, dataset):
    sixteen, eight = (load_ood(folder, dataset)[0][0] for folder in folders)
    assert sixteen.equal(eight)


def test_class_folders_and_photographs(folders):
    sixteen, eight = (decode(FolderTree(folder, ("x.png",)), "x.png", 64) for folder in folders)
    assert np.array_equal(sixteen, eight)
    options = {
        "labels": torch.tensor([0]),
        "classes": ("a",),
        "mean": (0.5,) * 3,
        "std": (0.5,) * 3,
        "crop_size": 64,
        "resize": 64,
    }
    sixteen, eight = (LazySplit(["x.png"], folder=folder, **options).pixels(0) for folder in folders)
    assert sixteen.equal(eight)


def test_a_pointer_in_the_place_of_an_image(tmp_path):
    write_image(tmp_path / "a.png", 32, np.random.default_rng(0))
    (tmp_path / "b.png").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(DataError, match=r"cannot decode image .*b\.png: it is a Git LFS pointer"):
        load_ood(tmp_path, "cifar10")
    with pytest.raises(DataError, match=r"cannot decode image b\.png in .*: it is a Git LFS pointer"):
        decode(FolderTree(tmp_path, ("b.png",)), "b.png", 32)
