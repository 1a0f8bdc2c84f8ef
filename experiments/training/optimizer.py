"""A recipe's optimizer and learning rate."""

import torch
from torch import nn

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
