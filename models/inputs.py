"""What a model has to know of a dataset: the form of its inputs, their channels, the number of classes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InputFacts:
    """The facts of one dataset that shape a model.

    Attributes:
        form: which variant of an architecture fits; decides stem and head, not depth.
            "digits": 8x8 images. "cifar": 32x32, 3x3 stem. "tiny-imagenet": 64x64, 3x3 stem, 2x2 pooled
            head. "imagenet": 224x224, 7x7 stem with max-pooling. "text": ids of words or of a
            pretrained tokenizer. "topics": ids of short texts, for nets small enough for a CPU too.
        in_channels: channels of an image; 0 for texts.
        num_classes: classes K, the width of the logits.
    """

    form: str
    in_channels: int
    num_classes: int


INPUTS: dict[str, InputFacts] = {
    "digits": InputFacts("digits", in_channels=1, num_classes=10),
    "cifar10": InputFacts("cifar", in_channels=3, num_classes=10),
    "cifar100": InputFacts("cifar", in_channels=3, num_classes=100),
    "tiny-imagenet": InputFacts("tiny-imagenet", in_channels=3, num_classes=200),
    "imagenet": InputFacts("imagenet", in_channels=3, num_classes=1000),
    "newsgroups": InputFacts("text", in_channels=0, num_classes=20),
    "newsgroups-bydate": InputFacts("text", in_channels=0, num_classes=20),
    "topics": InputFacts("topics", in_channels=0, num_classes=20),
}
