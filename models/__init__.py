"""The paper's networks, made to measure for each dataset: `build("resnet50", dataset="cifar10")`.

A new model is a new file and one line in `registry.MODELS`; a new dataset is one line in `inputs.INPUTS`.
"""

from .inputs import INPUTS, InputFacts
from .registry import MODELS, build, check, options_of

__all__ = ["INPUTS", "MODELS", "InputFacts", "build", "check", "options_of"]
