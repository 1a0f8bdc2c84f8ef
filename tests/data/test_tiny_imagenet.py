"""Tiny-ImageNet in its official layout, as a folder and as a zip."""

import shutil

import numpy as np
import pytest
import torch

from data import DataError, load

from .conftest import write_image, zip_folder

WNIDS = ("n01443537", "n01629819", "n02058221")
TRAIN, VAL = 10, 2  # images a class


@pytest.fixture
def tiny_root(tmp_path):
    """A data root with a three-class tiny-imagenet-200 folder; one image is grey."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "tiny-imagenet-200"
    annotations = []
    for k, wnid in enumerate(WNIDS):
        for i in range(TRAIN):
            mode = "L" if (k, i) == (1, 0) else "RGB"
            write_image(folder / "train" / wnid / "images" / f"{wnid}_{i}.JPEG", 64, rng, mode)
        (folder / "train" / wnid / f"{wnid}_boxes.txt").write_text("x")
        for i in range(VAL):
            name = f"val_{i * len(WNIDS) + k}.JPEG"
            write_image(folder / "val" / "images" / name, 64, rng)
            annotations.append(f"{name}\t{wnid}\t0\t0\t63\t63\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(annotations))
    (folder / "wnids.txt").write_text("\n".join(reversed(WNIDS)) + "\n")
    return tmp_path


def fingerprints(root, **options):
    return [split.fingerprint for split in load("tiny-imagenet", root=root, val_from=8, **options)]


def test_sizes_labels_and_classes(tiny_root):
    splits = load("tiny-imagenet", root=tiny_root, val_from=8)
    assert [len(split) for split in splits] == [24, 6, 6]
    assert splits.train.classes == WNIDS
    assert splits.train.images.shape[1:] == (3, 64, 64)
    assert torch.bincount(splits.val.labels).tolist() == [2, 2, 2]
    assert torch.bincount(splits.test.labels).tolist() == [2, 2, 2]
    assert sorted(splits.train.index.tolist() + splits.val.index.tolist()) == list(range(30))
    assert (splits.train.index // TRAIN).tolist() == splits.train.labels.tolist()
    assert (splits.train.crop_padding, splits.train.flip) == (4, True)


def test_grey_image_has_three_equal_channels(tiny_root):
    train, val, _ = load("tiny-imagenet", root=tiny_root, val_from=8)
    grey = [image for split in (train, val) for image, i in zip(split.images, split.index, strict=True) if i == TRAIN]
    assert torch.equal(grey[0][0], grey[0][1])
    assert torch.equal(grey[0][0], grey[0][2])


def test_the_images_numbers_make_the_split(tiny_root):
    splits = load("tiny-imagenet", root=tiny_root, val_from=8)
    assert (splits.val.index % TRAIN).tolist() == [8, 9] * 3  # ten images a class, numbered from 0
    assert (splits.train.index % TRAIN).tolist() == list(range(8)) * 3
    assert fingerprints(tiny_root) == fingerprints(tiny_root, seed=1)


def test_an_image_without_a_number(tiny_root):
    folder = tiny_root / "tiny-imagenet-200" / "train" / WNIDS[1] / "images"
    (folder / f"{WNIDS[1]}_3.JPEG").rename(folder / "a cat.JPEG")
    with pytest.raises(DataError, match=r"training image train/.*/a cat\.JPEG: expected a name <wnid>_<number>"):
        fingerprints(tiny_root)


@pytest.mark.parametrize("archive", ["tiny-imagenet-200.zip", "tiny-imagenet-200-part.zip"])
def test_zip_gives_what_the_folder_gives(tiny_root, tmp_path_factory, archive):
    root = tmp_path_factory.mktemp("zips")
    zip_folder(tiny_root / "tiny-imagenet-200", [root / archive], prefix="tiny-imagenet-200/")
    assert fingerprints(root) == fingerprints(tiny_root)


def moved(folder, pattern, place):
    for path in sorted(folder.glob(pattern)):
        target = folder / place(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)


@pytest.mark.parametrize("sorted_into", ["val/{}", "val/{}/images", "val/images/{}"])
@pytest.mark.parametrize("annotated", [True, False])
def test_validation_images_sorted_into_class_folders(tiny_root, sorted_into, annotated):
    train, _, test = load("tiny-imagenet", root=tiny_root, val_from=8)
    folder = tiny_root / "tiny-imagenet-200"
    lines = (line.split("\t") for line in (folder / "val" / "val_annotations.txt").read_text().splitlines())
    class_of = {name: wnid for name, wnid, *_ in lines}
    moved(folder, "val/images/*.JPEG", lambda path: f"{sorted_into.format(class_of[path.name])}/{path.name}")
    if not annotated:
        (folder / "val" / "val_annotations.txt").unlink()
    found = load("tiny-imagenet", root=tiny_root, val_from=8)
    assert found.train.fingerprint == train.fingerprint
    assert found.test.labels.tolist() == [0, 0, 1, 1, 2, 2]
    images = {(int(label), image.numpy().tobytes()) for image, label in zip(test.images, test.labels, strict=True)}
    assert images == {
        (int(label), image.numpy().tobytes()) for image, label in zip(found.test.images, found.test.labels, strict=True)
    }


def test_training_images_right_in_their_class_folder(tiny_root):
    expected = [split.images for split in load("tiny-imagenet", root=tiny_root, val_from=8)]
    folder = tiny_root / "tiny-imagenet-200"
    moved(folder, "train/*/images/*.JPEG", lambda path: f"train/{path.parts[-3]}/{path.name}")
    for images, split in zip(expected, load("tiny-imagenet", root=tiny_root, val_from=8), strict=True):
        assert torch.equal(split.images, images)


def test_class_without_folder(tiny_root):
    shutil.rmtree(tiny_root / "tiny-imagenet-200" / "train" / WNIDS[1])
    with pytest.raises(DataError, match=f"class '{WNIDS[1]}' is in wnids.txt but not in train/ of "):
        fingerprints(tiny_root)


def test_folder_without_class(tiny_root):
    (tiny_root / "tiny-imagenet-200" / "wnids.txt").write_text("\n".join(WNIDS[:2]))
    with pytest.raises(DataError, match=f"class '{WNIDS[2]}' is in train/ but not in wnids.txt of "):
        fingerprints(tiny_root)


@pytest.mark.parametrize("path", ["wnids.txt", "val/val_annotations.txt"])
def test_missing_table(tiny_root, path):
    (tiny_root / "tiny-imagenet-200" / path).unlink()
    with pytest.raises(DataError, match=f"no {path} in "):
        fingerprints(tiny_root)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("val_0.JPEG\tn99999999\t0", "line 1 in .*: unknown class 'n99999999'"),
        ("val_77.JPEG\tn01443537\t0", "line 1 in .*: there is no val/images/val_77.JPEG"),
        ("val_0.JPEG", "line 1 in .*: unknown class ''"),
        ("", "val_annotations.txt in .* is empty"),
        ("Ä", "val_annotations.txt in .* is not plain text"),
    ],
)
def test_broken_annotations(tiny_root, line, message):
    (tiny_root / "tiny-imagenet-200" / "val" / "val_annotations.txt").write_text(line, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        fingerprints(tiny_root)


def test_class_without_images(tiny_root):
    shutil.rmtree(tiny_root / "tiny-imagenet-200" / "train" / WNIDS[0] / "images")
    with pytest.raises(DataError, match=f"no images .* in train/{WNIDS[0]}/images/ of "):
        fingerprints(tiny_root)


@pytest.mark.parametrize(("val_from", "part"), [(0, "training"), (10, "validation")])
def test_val_from_that_leaves_a_part_empty(tiny_root, val_from, part):
    with pytest.raises(ValueError, match=f"val_from={val_from} leaves no {part} images among the 30"):
        load("tiny-imagenet", root=tiny_root, val_from=val_from)


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match=r"no tiny-imagenet in .*python -m data tiny-imagenet --data-root "):
        load("tiny-imagenet", root=tmp_path)
