"""CIFAR out of folders and zips, the cache of decoded images, and what is said of broken files."""

import os
import shutil
import warnings
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from data import DataError, load
from data.splits.holdout import uniform

from .conftest import CIFAR10_CLASSES, cache_files, fingerprints, write_class_folders, write_image, zip_folder

# Folders


def test_folder_gives_pixels_labels_and_sizes(cifar_root):
    splits = load("cifar10", root=cifar_root, val_size=6)
    assert [len(split) for split in splits] == [24, 6, 20]
    assert splits.test.classes == CIFAR10_CLASSES
    for split, part, count in ((splits.train, "train", 3), (splits.val, "train", 3), (splits.test, "test", 2)):
        for i, source in enumerate(split.index.tolist()):
            label, number = divmod(source, count)
            assert int(split.labels[i]) == label
            expected = np.asarray(Image.open(cifar_root / part / CIFAR10_CLASSES[label] / f"{number}.png"))
            assert np.array_equal(split.images[i].permute(1, 2, 0).numpy(), expected)
    sample = splits.test[0][0]
    expected = splits.test.images[0] / 255
    for c, (mean, std) in enumerate(zip((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010), strict=True)):
        torch.testing.assert_close(sample[c], (expected[c] - mean) / std)


def test_split_is_disjoint_uniform_and_fixed_by_its_seed(cifar_root):
    splits = load("cifar10", root=cifar_root, val_size=6)
    assert sorted(splits.train.index.tolist() + splits.val.index.tolist()) == list(range(30))
    order = np.arange(30)
    np.random.RandomState(0).shuffle(order)  # the authors' way
    assert splits.val.index.tolist() == sorted(order[:6].tolist())
    assert fingerprints(cifar_root) == fingerprints(cifar_root, seed=0) != fingerprints(cifar_root, seed=1)


def test_a_part_of_the_training_images(cifar_root):
    whole, part = (load("cifar10", root=cifar_root, val_size=6, train_size=size) for size in (None, 5))
    assert (len(part.train), part.val.fingerprint) == (5, whole.val.fingerprint)
    assert part.test.fingerprint == whole.test.fingerprint
    order = np.random.RandomState(0).permutation(len(whole.train) + 6)
    left = sorted(order[6:])  # the official place of each training image
    assert torch.equal(part.train.images, whole.train.images[[left.index(i) for i in sorted(order[6:11])]])
    with pytest.raises(ValueError, match="train_size must be at least 1 and below"):
        load("cifar10", root=cifar_root, val_size=6, train_size=len(whole.train) + 1)


def test_only_training_images_are_augmented(cifar_root):
    splits = load("cifar10", root=cifar_root, val_size=6)
    assert (splits.train.crop_padding, splits.train.flip) == (4, True)
    for split in splits[1:]:
        assert (split.crop_padding, split.flip) == (0, False)
    plain = load("cifar10", root=cifar_root, val_size=6, crop_padding=0, flip=False).train
    assert (plain.crop_padding, plain.flip) == (0, False)


def test_folder_of_the_datasets_name_and_environment(cifar_root, tmp_path_factory, monkeypatch):
    expected = fingerprints(cifar_root)
    root = tmp_path_factory.mktemp("root")
    (root / "cifar10").mkdir()
    for part in ("train", "test"):
        shutil.move(cifar_root / part, root / "cifar10" / part)
    assert fingerprints(root) == expected
    monkeypatch.setenv("ADAFOCAL_DATA", str(root))
    assert fingerprints(None) == expected


def test_hidden_and_foreign_files_are_ignored(cifar_root):
    expected = fingerprints(cifar_root)
    (cifar_root / "train" / "cat" / ".DS_Store").write_bytes(b"junk")
    (cifar_root / "train" / "cat" / "._0.png").write_bytes(b"junk")
    (cifar_root / "train" / "cat" / "readme.txt").write_bytes(b"junk")
    (cifar_root / "train" / ".ipynb_checkpoints").mkdir()
    assert fingerprints(cifar_root) == expected


def test_cifar100_wants_a_hundred_classes(tmp_path):
    names = [f"class{i:02}" for i in range(100)]
    write_class_folders(tmp_path, {"train": 1, "test": 1}, names, size=32, suffix="webp")
    splits = load("cifar100", root=tmp_path, val_size=10)
    assert splits.train.num_classes == 100
    assert [len(split) for split in splits] == [90, 10, 100]
    with pytest.raises(DataError, match=r"no cifar10 in .*: looked for "):
        load("cifar10", root=tmp_path, val_size=10)  # train/ without a name is told by its number of classes


# Zips


@pytest.mark.parametrize(("num_archives", "prefix"), [(1, ""), (2, ""), (2, "cifar10/")])
def test_zips_give_what_the_folder_gives(cifar_root, tmp_path_factory, num_archives, prefix):
    root = tmp_path_factory.mktemp("zips")
    zip_folder(cifar_root, [root / f"cifar10-part{k}.zip" for k in range(num_archives)], prefix)
    (root / "cifar100-part1.zip").write_bytes(b"of another dataset")
    assert fingerprints(root) == fingerprints(cifar_root)
    assert [path.name for path in root.iterdir() if path.is_dir()] == [".cache"]  # nothing was unpacked


@pytest.mark.parametrize("name", ["../../evil.png", "/tmp/evil.png", "train\\..\\..\\evil.png", "C:/evil.png"])
def test_zip_member_that_points_outside_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "cifar10.zip", "w") as file:
        file.writestr(name, b"x")
    with pytest.raises(DataError, match=r"cifar10.zip: member .*evil.png' points outside the archive"):
        load("cifar10", root=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cifar10.zip"]


def test_truncated_zip_is_named(cifar_root, tmp_path_factory):
    root = tmp_path_factory.mktemp("zips")
    zip_folder(cifar_root, [root / "cifar10.zip"])
    os.truncate(root / "cifar10.zip", 1000)
    with pytest.raises(
        DataError, match=r"cannot open .*cifar10.zip: File is not a zip file; remove it and fetch it again"
    ):
        load("cifar10", root=root)


def test_zip_with_a_flipped_bit_is_named(cifar_root, tmp_path_factory):
    root = tmp_path_factory.mktemp("zips")
    zip_folder(cifar_root, [root / "cifar10.zip"])
    with zipfile.ZipFile(root / "cifar10.zip") as file:
        info = file.getinfo("train/dog/1.png")
    content = bytearray((root / "cifar10.zip").read_bytes())
    content[info.header_offset + 30 + len(info.filename) + 500] ^= 1
    (root / "cifar10.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"cifar10.zip: cannot read member 'train/dog/1.png': Bad CRC-32"):
        load("cifar10", root=root, val_size=6)
    assert cache_files(root) == []


def test_zip_parts_must_not_repeat_a_member(cifar_root, tmp_path_factory):
    root = tmp_path_factory.mktemp("zips")
    zip_folder(cifar_root, [root / "cifar10-a.zip"])
    zip_folder(cifar_root, [root / "cifar10-b.zip"])
    with pytest.raises(DataError, match=r"cifar10-b.zip: member 'test/airplane/0.png' comes twice"):
        load("cifar10", root=root)


def test_zip_member_that_claims_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("data.files.tree.MAX_MEMBER_BYTES", 10)
    with zipfile.ZipFile(tmp_path / "cifar10.zip", "w") as file:
        file.writestr("train/cat/0.png", b"x" * 11)
    with pytest.raises(DataError, match=r"cifar10.zip: member 'train/cat/0.png' claims 11 bytes"):
        load("cifar10", root=tmp_path)


# Broken folders


def test_renamed_class_folder(cifar_root):
    (cifar_root / "test" / "dog").rename(cifar_root / "test" / "hound")
    with pytest.raises(DataError, match="class folder 'dog' is in train/ but not in test/ of "):
        load("cifar10", root=cifar_root)


def test_class_folder_that_only_test_has(cifar_root):
    shutil.rmtree(cifar_root / "train" / "ship")
    with pytest.raises(DataError, match="class folder 'ship' is in test/ but not in train/ of "):
        load("cifar10", root=cifar_root)


def test_class_folder_missing_in_both(cifar_root):
    shutil.rmtree(cifar_root / "train" / "ship")
    shutil.rmtree(cifar_root / "test" / "ship")
    with pytest.raises(DataError, match=r"expected 10 class folders in train/ of .*, found 9"):
        load("cifar10", root=cifar_root)


def test_part_missing(cifar_root):
    shutil.rmtree(cifar_root / "test")
    with pytest.raises(DataError, match="there is no test/ in "):
        load("cifar10", root=cifar_root)


def test_empty_class(cifar_root):
    for path in (cifar_root / "train" / "frog").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"no images \(.png, .*\) in train/frog/ of "):
        load("cifar10", root=cifar_root)


@pytest.mark.parametrize("content", [b"", b"not an image", "half"])
def test_unreadable_image(cifar_root, content):
    path = cifar_root / "train" / "deer" / "1.png"
    path.write_bytes(path.read_bytes()[:1500] if content == "half" else content)
    with pytest.raises(DataError, match=r"cannot decode image train/deer/1.png in .*"):
        load("cifar10", root=cifar_root)


def test_dangling_link(cifar_root):
    (cifar_root / "train" / "deer" / "9.png").symlink_to(cifar_root / "gone.png")
    with pytest.raises(DataError, match=r"cannot read .*train/deer/9.png: No such file"):
        load("cifar10", root=cifar_root)


def test_wrong_size(cifar_root):
    write_image(cifar_root / "test" / "cat" / "1.png", 31, np.random.default_rng(0))
    with pytest.raises(DataError, match=r"image test/cat/1.png in .* is 31x31, expected 32x32"):
        load("cifar10", root=cifar_root)


@pytest.mark.parametrize("val_size", [0, 30, 5000])
def test_val_size_out_of_range(cifar_root, val_size):
    with pytest.raises(ValueError, match=f"val_size must be at least 1 and below the 30 samples .*, got {val_size}"):
        load("cifar10", root=cifar_root, val_size=val_size)


def test_nothing_there(tmp_path):
    with pytest.raises(
        DataError, match=r"no cifar10 in .*: looked for .*python -m data cifar10 --data-root "
    ) as caught:
        load("cifar10", root=tmp_path)
    assert "\n" not in str(caught.value)


# The cache


def test_no_warning_in_ordinary_use(cifar_root):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".* an excerpt")
        fingerprints(cifar_root)


def test_the_split_is_that_of_the_code_behind_the_papers_numbers():
    """`Data/cifar10.py` of focal_calibration, literally: the head of the shuffled official order is held out."""
    indices = list(range(50000))
    np.random.seed(1)  # noqa: NPY002
    np.random.shuffle(indices)  # noqa: NPY002
    train, val = uniform(50000, 5000, seed=1)
    assert val.tolist() == sorted(indices[:5000])
    assert train.tolist() == sorted(indices[5000:])


def test_an_excerpt_is_told(cifar_root):
    with pytest.warns(UserWarning, match="an excerpt") as caught:
        load("cifar10", root=cifar_root, val_size=6)
    assert [str(warning.message) for warning in caught] == [
        f"{cifar_root} holds 30 training images, CIFAR-10 has 50,000: an excerpt?",
        f"{cifar_root} holds 20 held-out images, CIFAR-10 has 10,000: an excerpt?",
    ]
