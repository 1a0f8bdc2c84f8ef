"""A recipe's model, optimizer and learning rate."""

from pathlib import Path

import torch
from torch import nn

import models
from data import Split
from experiments.recipes import Recipe


def learning_rate(recipe: Recipe, step: int, steps_an_epoch: int) -> float:
    """The learning rate of a step (0-based).

    Schedule "milestones": multiplied by `lr_factor` at every milestone passed. "linear": up from 0 in the first
    `warmup` of all steps, then down to what would be 0 after the last one, as `get_linear_schedule_with_warmup` of
    transformers.
    """
    if recipe.schedule == "linear":
        total = recipe.epochs * steps_an_epoch
        rising = int(recipe.warmup * total)
        return recipe.lr * (step / rising if step < rising else (total - step) / (total - rising))
    return recipe.lr * recipe.lr_factor ** sum(step // steps_an_epoch >= epoch for epoch in recipe.milestones)


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


def build_optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimizer over the parameters that are trained."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not recipe.decay_all:
        parameters = [
            {"params": [parameter for parameter in parameters if parameter.ndim > 1]},
            {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
        ]
    fused = all(parameter.is_cuda for parameter in model.parameters())  # one kernel for all parameters
    common = {"lr": recipe.lr, "weight_decay": recipe.weight_decay, "fused": fused or None}
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=recipe.momentum, nesterov=recipe.nesterov, **common)
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer](parameters, **common)
