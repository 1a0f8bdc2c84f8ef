"""The table of models, and `build`, which makes one for a dataset."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from torch import nn

from data.facts import FACTS

from .bert import bert, bert_mini
from .densenet import densenet121
from .head import with_float32_logits
from .resnet import resnet50, resnet110
from .text_cnn import cnn
from .wide_resnet import resnet8, wrn10_2, wrn26_10


@dataclass(frozen=True)
class Entry:
    """One line of the table of models.

    Attributes:
        builder: called with the dataset's `data.facts.Facts` and the model's own options as keywords.
        forms: the input forms it is made for (`data.facts.Facts.form`).
        label: what readers call it.
    """

    builder: Callable[..., nn.Module]
    forms: tuple[str, ...]
    label: str


MODELS: dict[str, Entry] = {
    "resnet50": Entry(resnet50, forms=("cifar", "tiny-imagenet", "imagenet"), label="ResNet-50"),
    "resnet110": Entry(resnet110, forms=("cifar", "tiny-imagenet", "imagenet"), label="ResNet-110"),
    "wrn26-10": Entry(wrn26_10, forms=("cifar",), label="Wide-ResNet-26-10"),
    "densenet121": Entry(densenet121, forms=("cifar", "imagenet"), label="DenseNet-121"),
    "resnet8": Entry(resnet8, forms=("cifar", "digits"), label="ResNet-8"),
    "wrn10-2": Entry(wrn10_2, forms=("cifar", "digits"), label="Wide-ResNet-10-2"),
    "cnn": Entry(cnn, forms=("text", "topics"), label="CNN"),
    "bert": Entry(bert, forms=("text",), label="BERT"),
    "bert-mini": Entry(bert_mini, forms=("topics",), label="BERT-mini"),
}


def build(model: str, dataset: str, num_classes: int | None = None, **options) -> nn.Module:
    """Make a freshly initialised model in the form that fits a dataset.

    Args:
        model: a name in `MODELS`, e.g. "resnet50".
        dataset: a name in `FACTS`, e.g. "cifar10".
        num_classes: width of the logits, >= 1; None takes the dataset's own.
        **options: the model's own options.

    Returns:
        A module in training mode, on the current default device; its forward gives logits [N, K], in float32
        under autocast too.

    Raises:
        ValueError: unknown model, dataset or option, or a model that has no form for the dataset.
    """
    check(model, dataset, options)
    facts = FACTS[dataset]
    if num_classes is not None:
        if num_classes < 1:
            raise ValueError(f"num_classes must be >= 1, got {num_classes}")
        facts = replace(facts, num_classes=num_classes)
    return with_float32_logits(MODELS[model].builder(facts, **options))


def check(model: str, dataset: str, options: Iterable[str] = ()) -> None:
    """Refuse names that `build` would refuse, without building: the same ValueError."""
    valid = options_of(model)
    if dataset not in FACTS:
        raise ValueError(f"unknown dataset {dataset!r}; choose from {', '.join(FACTS)}")
    forms = MODELS[model].forms
    if FACTS[dataset].form not in forms:
        fitting = [name for name, other in FACTS.items() if other.form in forms]
        raise ValueError(f"model {model!r} has no form for {dataset!r}; it fits {', '.join(fitting)}")
    for option in options:
        if option not in valid:
            raise ValueError(f"model {model!r} has no option {option!r}; it has {', '.join(valid) or 'none'}")


def options_of(model: str) -> tuple[str, ...]:
    """The names of a model's own options. Raises ValueError for an unknown model."""
    if model not in MODELS:
        raise ValueError(f"unknown model {model!r}; choose from {', '.join(MODELS)}")
    return tuple(inspect.signature(MODELS[model].builder).parameters)[1:]  # the first one is the facts
