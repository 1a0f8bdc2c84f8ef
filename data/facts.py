"""Everything a dataset is beside its files, each fact in one place."""

from dataclasses import dataclass

_CIFAR = {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2023, 0.1994, 0.2010)}  # Mukhoti et al. 2020's, for both
_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@dataclass(frozen=True)
class Facts:
    """The facts of one dataset.

    Attributes:
        label: what readers call it.
        form: which variant of an architecture fits; decides stem and head, not depth.
            "digits": 8x8 images. "cifar": 32x32, 3x3 stem. "tiny-imagenet": 64x64, 3x3 stem, 2x2 pooled
            head. "imagenet": 224x224, 7x7 stem with max-pooling. "text": ids of words or of a
            pretrained tokenizer. "topics": ids of short texts, for nets small enough for a CPU too.
        num_classes: classes K, the width of the logits.
        size: height and width of an image; 0 for texts.
        mean: of the pixels in [0, 1], one number a channel; () for texts.
        std: likewise.
        ood: the out-of-distribution sets that a table compares it with.
        images: how many its publishers' training and held-out parts have; () where its loader checks that itself.
    """

    label: str
    form: str
    num_classes: int
    size: int = 0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    ood: tuple[str, ...] = ()
    images: tuple[int, ...] = ()

    @property
    def in_channels(self) -> int:
        """Channels of an image; 0 for texts."""
        return len(self.mean)


FACTS: dict[str, Facts] = {
    "digits": Facts(
        "Digits (8x8, noisy)", "digits", 10, 8, (0.305,), (0.376,), ("photos", "noise")
    ),  # mean and std of the 1,797 clean images
    "cifar10": Facts("CIFAR-10", "cifar", 10, 32, **_CIFAR, ood=("svhn", "cifar10-c"), images=(50_000, 10_000)),
    "cifar100": Facts("CIFAR-100", "cifar", 100, 32, **_CIFAR, images=(50_000, 10_000)),
    "tiny-imagenet": Facts("Tiny-ImageNet", "tiny-imagenet", 200, 64, **_IMAGENET, images=(100_000, 10_000)),
    "imagenet": Facts("ImageNet", "imagenet", 1000, 224, **_IMAGENET, images=(1_281_167, 50_000)),
    "newsgroups": Facts("20 Newsgroups", "text", 20),
    "newsgroups-bydate": Facts("20 Newsgroups (by date)", "text", 20),
    "topics": Facts("Topics (synthetic texts)", "topics", 20),
}
