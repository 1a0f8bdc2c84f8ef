"""A small ImageNet: three classes of photographs of various shapes."""

from pathlib import Path

import numpy as np
from PIL import Image

WNIDS = ("n01440764", "n01443537", "n01484850")
OPTIONS = {"crop_size": 16, "resize": 20, "num_classes": 3}


def make_imagenet(root: Path, train: int = 5, val: int = 2) -> Path:
    """Write so many JPEGs a class below `root`, which is a data root then."""
    rng = np.random.default_rng(0)
    for part, count in (("train", train), ("val", val)):
        for wnid in WNIDS:
            folder = root / "imagenet" / part / wnid
            folder.mkdir(parents=True)
            for i in range(count):
                shape = (int(rng.integers(24, 40)), int(rng.integers(24, 40)), 3)
                Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{wnid}_{i}.JPEG")
    return root
