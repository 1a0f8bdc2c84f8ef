"""The paper's networks, made to measure for each dataset: `build("resnet50", dataset="cifar10")`.

A new model is a new file and one line in `registry.MODELS`.
"""

from .registry import MODELS, build, check, options_of

__all__ = ["MODELS", "build", "check", "options_of"]
