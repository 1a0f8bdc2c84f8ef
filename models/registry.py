"""The table of models, and `build`, which makes one for a dataset."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from torch import nn

from .bert import bert, bert_mini
from .densenet import densenet121
from .inputs import INPUTS
from .resnet import resnet50, resnet110
from .text_cnn import cnn
from .wide_resnet import resnet8, wrn10_2, wrn26_10


@dataclass(frozen=True)
class Entry:
    """One line of the table of models.

    Attributes:
        builder: called with the dataset's `InputFacts` and the model's own options as keywords.
        forms: the input forms it is made for (`InputFacts.form`).
    """

    builder: Callable[..., nn.Module]
    forms: tuple[str, ...]


MODELS: dict[str, Entry] = {
    "resnet50": Entry(resnet50, forms=("cifar", "tiny-imagenet", "imagenet")),
    "resnet110": Entry(resnet110, forms=("cifar", "tiny-imagenet", "imagenet")),
    "wrn26-10": Entry(wrn26_10, forms=("cifar",)),
    "densenet121": Entry(densenet121, forms=("cifar", "imagenet")),
    "resnet8": Entry(resnet8, forms=("cifar", "digits")),
    "wrn10-2": Entry(wrn10_2, forms=("cifar", "digits")),
    "cnn": Entry(cnn, forms=("text", "topics")),
    "bert": Entry(bert, forms=("text",)),
    "bert-mini": Entry(bert_mini, forms=("topics",)),
}


def build(model: str, dataset: str, num_classes: int | None = None, **options) -> nn.Module:
    """Make a freshly initialised model in the form that fits a dataset.

    Args:
        model: a name in `MODELS`, e.g. "resnet50".
        dataset: a name in `INPUTS`, e.g. "cifar10".
        num_classes: width of the logits, >= 1; None takes the dataset's own.
        **options: the model's own options.

    Returns:
        A module in training mode, on the current default device; its forward gives logits [N, K].

    Raises:
        ValueError: unknown model, dataset or option, or a model that has no form for the dataset.
    """
    check(model, dataset, options)
    facts = INPUTS[dataset]
    if num_classes is not None:
        if num_classes < 1:
            raise ValueError(f"num_classes must be >= 1, got {num_classes}")
        facts = replace(facts, num_classes=num_classes)
    return MODELS[model].builder(facts, **options)


def check(model: str, dataset: str, options: Iterable[str] = ()) -> None:
    """Refuse names that `build` would refuse, without building: the same ValueError."""
    valid = options_of(model)
    if dataset not in INPUTS:
        raise ValueError(f"unknown dataset {dataset!r}; choose from {', '.join(INPUTS)}")
    forms = MODELS[model].forms
    if INPUTS[dataset].form not in forms:
        fitting = [name for name, other in INPUTS.items() if other.form in forms]
        raise ValueError(f"model {model!r} has no form for {dataset!r}; it fits {', '.join(fitting)}")
    for option in options:
        if option not in valid:
            raise ValueError(f"model {model!r} has no option {option!r}; it has {', '.join(valid) or 'none'}")


def options_of(model: str) -> tuple[str, ...]:
    """The names of a model's own options. Raises ValueError for an unknown model."""
    if model not in MODELS:
        raise ValueError(f"unknown model {model!r}; choose from {', '.join(MODELS)}")
    return tuple(inspect.signature(MODELS[model].builder).parameters)[1:]  # the first one is the facts
