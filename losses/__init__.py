"""Training losses of the paper, as modules called with (logits [N, K], targets [N]).

A new loss is a file of its own and a line in `LOSSES`. Focal losses and MMCE have their derivatives in closed form;
autograd differentiates them again where it is asked to (`create_graph=True`), `torch.func`'s transforms refuse them.
"""

import inspect
from functools import partial

from losses.adafocal import AdaFocalLoss
from losses.base import CrossEntropyLoss, Loss
from losses.brier import BrierLoss
from losses.calfocal import CalFocalLoss
from losses.focal import FLSDLoss, FocalLoss, InverseFocalLoss
from losses.mmce import MMCELoss

LOSSES = {
    "ce": CrossEntropyLoss,
    "ls": partial(CrossEntropyLoss, label_smoothing=0.05),
    "brier": BrierLoss,
    "mmce": MMCELoss,
    "fl3": partial(FocalLoss, gamma=3.0),
    "fl4": partial(FocalLoss, gamma=4.0),
    "fl5": partial(FocalLoss, gamma=5.0),
    "flsd53": FLSDLoss,
    "invfl": InverseFocalLoss,
    "calfocal": CalFocalLoss,
    "adafocal": AdaFocalLoss,
}


def preset(name: str) -> dict[str, float]:
    """The options that a name stands for: {"gamma": 3.0} for "fl3", {} for most."""
    return dict(LOSSES[name].keywords) if isinstance(LOSSES[name], partial) else {}


def build(name: str, **options) -> Loss:
    """Make a loss by its name.

    Args:
        name: a key of `LOSSES`.
        options: the loss's own arguments, e.g. `lam`, `num_bins`, `reduction`.

    Raises:
        ValueError: an unknown name or option (the message lists the choices), or a value the loss refuses.
    """
    if name not in LOSSES:
        raise ValueError(f"unknown loss {name!r}: choose from {', '.join(LOSSES)}")
    known = list(inspect.signature(LOSSES[name]).parameters)
    for option in options:
        if option not in known:
            raise ValueError(f"loss {name!r} has no option {option!r}: choose from {', '.join(known)}")
    return LOSSES[name](**options)


__all__ = [
    "LOSSES",
    "AdaFocalLoss",
    "BrierLoss",
    "CalFocalLoss",
    "CrossEntropyLoss",
    "FLSDLoss",
    "FocalLoss",
    "InverseFocalLoss",
    "Loss",
    "MMCELoss",
    "build",
    "preset",
]
