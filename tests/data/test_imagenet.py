"""ImageNet's lazily decoded folders, on small photographs of various shapes."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from data import FACTS, DataError, load
from data.splits.normalisation import normalise
from tests.support.imagenet import OPTIONS, WNIDS, make_imagenet


@pytest.fixture
def imagenet_root(tmp_path):
    """A data root with 5 training and 2 validation JPEGs for each of three classes."""
    return make_imagenet(tmp_path)


def load_small(root, **options):
    return load("imagenet", root=root, **{**OPTIONS, **options})


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        for x, y in zip(a, b, strict=True):
            assert torch.equal(x, y)


def test_sizes_labels_and_split(imagenet_root):
    splits = load_small(imagenet_root)
    assert [len(split) for split in splits] == [15, 3, 3]
    assert splits.train.classes == WNIDS
    assert splits.train.labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert sorted(splits.val.index.tolist() + splits.test.index.tolist()) == list(range(6))
    for split in splits[1:]:
        assert (split.index // 2).tolist() == split.labels.tolist()
        assert [path.split("/")[1] for path in split.paths] == [WNIDS[k] for k in split.labels]
    again, other = load_small(imagenet_root), load_small(imagenet_root, seed=1)
    assert splits.val.fingerprint == again.val.fingerprint != other.val.fingerprint


def test_the_halves_are_those_of_the_authors_code(imagenet_root):
    indices = list(range(6))
    np.random.seed(1)  # noqa: NPY002
    np.random.shuffle(indices)  # noqa: NPY002
    splits = load_small(imagenet_root, seed=1)
    assert splits.test.index.tolist() == sorted(indices[:3])
    assert splits.val.index.tolist() == sorted(indices[3:])


def test_evaluation_resizes_and_crops_the_centre(imagenet_root):
    split = load_small(imagenet_root).test
    image = Image.open(imagenet_root / "imagenet" / split.paths[2]).convert("RGB")
    image = v2.functional.center_crop(v2.functional.resize(image, 20), 16)
    expected = v2.functional.to_dtype(v2.functional.to_image(image), torch.float32, scale=True)
    expected = v2.functional.normalize(expected, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    torch.testing.assert_close(split[2][0], expected)
    batches = list(split.eval_batches(2))
    assert [batch.index.tolist() for batch in batches] == [[0, 1], [2]]
    assert torch.equal(batches[1].inputs[0], split[2][0])


def test_workers_change_nothing(imagenet_root):
    alone, helped = load_small(imagenet_root).train, load_small(imagenet_root, workers=2).train
    before = torch.get_rng_state()
    expected = list(alone.train_batches(7, seed=1, epoch=2))
    assert [len(batch.labels) for batch in expected] == [7, 8]  # a last batch of one is merged
    assert_same(helped.train_batches(7, seed=1, epoch=2), expected)
    assert_same(helped.train_batches(7, seed=1, epoch=2, start=1), expected[1:])
    assert torch.equal(torch.get_rng_state(), before)


def test_augmentation_follows_seed_epoch_and_sample(imagenet_root):
    split = load_small(imagenet_root).train
    first = split.pixels(3, seed=0, epoch=0)
    assert first.shape == (3, 16, 16)
    assert torch.equal(split.pixels(3, seed=0, epoch=0), first)
    assert not torch.equal(split.pixels(3, seed=0, epoch=1), first)
    assert not torch.equal(split.pixels(3, seed=1, epoch=0), first)
    batch = next(split.train_batches(15, seed=0, epoch=0))
    assert torch.equal(
        batch.inputs[batch.index == 3][0], normalise(first, FACTS["imagenet"].mean, FACTS["imagenet"].std)
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_images_stay_bytes_until_their_batch_is_on_the_device(imagenet_root, workers, monkeypatch):
    seen = []

    def noted(images, mean, std):
        seen.append((images.dtype, tuple(images.shape)))
        return normalise(images, mean, std)

    monkeypatch.setattr("data.splits.lazy.normalise", noted)
    list(load_small(imagenet_root, workers=workers).train.train_batches(5, seed=0, epoch=0))
    assert seen == [(torch.uint8, (5, 3, 16, 16))] * 3


def test_to_keeps_everything_else(imagenet_root):
    split = load_small(imagenet_root).train
    moved = split.to("cpu")
    assert moved.device == torch.device("cpu")
    assert_same(moved.eval_batches(4), split.eval_batches(4))


@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_image_is_named(imagenet_root, workers):
    (imagenet_root / "imagenet" / "train" / WNIDS[0] / f"{WNIDS[0]}_1.JPEG").write_bytes(b"broken")
    split = load_small(imagenet_root, workers=workers).train
    with pytest.raises(DataError, match=f"^cannot decode image .*{WNIDS[0]}_1.JPEG") as caught:
        list(split.eval_batches(4))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", ["train", "val"])
def test_missing_part(imagenet_root, part):
    shutil.rmtree(imagenet_root / "imagenet" / part)
    with pytest.raises(DataError, match=f"looked for imagenet/{part}/<wnid>/.*image-net.org and put them at "):
        load_small(imagenet_root)


def test_missing_class_folder(imagenet_root):
    shutil.rmtree(imagenet_root / "imagenet" / "val" / WNIDS[2])
    with pytest.raises(DataError, match=f"class folder '{WNIDS[2]}' is in .*train but not in .*val"):
        load_small(imagenet_root)


def test_validation_images_that_nobody_sorted(imagenet_root):
    val = imagenet_root / "imagenet" / "val"
    for i, path in enumerate(sorted(val.rglob("*.JPEG"))):
        path.rename(val / f"ILSVRC2012_val_{i:08}.JPEG")
    for folder in WNIDS:
        (val / folder).rmdir()
    with pytest.raises(DataError, match=r"imagenet/val has no class folders: sort its images into val/<wnid>/, as the"):
        load_small(imagenet_root)


def test_hidden_entries_are_left_out(imagenet_root):
    expected = [split.fingerprint for split in load_small(imagenet_root)]
    for part in ("train", "val"):
        (imagenet_root / "imagenet" / part / ".ipynb_checkpoints").mkdir()
        (imagenet_root / "imagenet" / part / ".DS_Store").write_bytes(b"junk")
        (imagenet_root / "imagenet" / part / WNIDS[0] / f"._{WNIDS[0]}_0.JPEG").write_bytes(b"\0\5\x16\7")
    assert [split.fingerprint for split in load_small(imagenet_root)] == expected


def test_workers_where_the_system_does_not_say_how_many_cores(imagenet_root, monkeypatch):
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert load_small(imagenet_root, workers=None).train.workers == 6
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert load_small(imagenet_root, workers=None).train.workers == 3


def test_wrong_number_of_classes(imagenet_root):
    with pytest.raises(DataError, match=r"expected 1000 class folders in .*train, found 3"):
        load_small(imagenet_root, num_classes=1000)


def test_empty_class(imagenet_root):
    for path in (imagenet_root / "imagenet" / "val" / WNIDS[1]).iterdir():
        path.unlink()
    with pytest.raises(DataError, match=f"no images .* in .*val/{WNIDS[1]}"):
        load_small(imagenet_root)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop_size": 21}, r"crop_size must lie in \[1, resize\], got crop_size 21 and resize 20"),
        ({"workers": -1}, "workers must be >= 0, got -1"),
    ],
)
def test_option_out_of_range(imagenet_root, options, message):
    with pytest.raises(ValueError, match=message):
        load_small(imagenet_root, **options)
