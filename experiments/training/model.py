"""A recipe's model."""

from pathlib import Path

from torch import nn

import models
from data import Split
from experiments.recipes import Recipe


def build_model(recipe: Recipe, split: Split, pretrained: Path | None = None) -> nn.Module:
    """The recipe's model for a split's classes and words, freshly initialised from torch's current random state."""
    options = dict(recipe.model_options)
    if pretrained:
        options |= {"pretrained": str(pretrained)}
    if getattr(split, "vocab", None):
        options |= {"vectors": split.vectors, "vocab_size": len(split.vocab) + 1}
    model = models.build(recipe.model, recipe.dataset, num_classes=split.num_classes, **options)
    theirs, ours = getattr(model, "pad_id", None), getattr(split, "pad_id", None)
    if theirs is not None and theirs != ours:
        raise ValueError(f"{recipe.model} pads with id {theirs}, the texts' tokenizer with {ours}: not of one encoder")
    needs, has = getattr(model, "receptive_field", 0), getattr(split, "receptive_field", 0)
    if (needs > 0) != (has > 0) or needs > has:
        raise ValueError(
            f"{recipe.model} needs texts packed for {needs} tokens, these are for {has}: "
            f"--set data_options.receptive_field={needs}"
        )
    return model
