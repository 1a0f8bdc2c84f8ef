"""The methods that are compared: the columns of tables and the curves of figures. Sources as in `recipes`."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Method:
    """A way to train: a loss, its options beside `losses.preset`, its reduction, and how figures draw it."""

    label: str
    loss: str
    options: dict[str, Any] = field(default_factory=dict)
    reduction: str = "sum"  # over the batch, with the gradient clipped to norm 2 [M, A]; not in the paper
    colour: str = "0.45"  # of Okabe and Ito 2008; only methods that never share a figure share one
    dashes: Any = "-"  # of its curve, so that grey print keeps the methods apart
    hatch: str = ""  # of its bars, likewise


# Dashes of curves that share a figure.
_LONG, _DASH_DOT, _SHORT, _DASH_DOT_DOT = (5, 1.5), (5, 1.5, 1, 1.5), (1, 1), (3, 1, 1, 1, 1, 1)


def _calfocal(lam: int, colour: str, dashes: tuple) -> Method:
    options = {"lam": float(lam), "mode": "sample", "num_bins": 15}
    return Method(f"CalFocal λ={lam}", "calfocal", options, colour=colour, dashes=(0, dashes))


METHODS = {
    "ce": Method("CE", "ce", colour="#000000"),
    "brier": Method("Brier", "brier", reduction="mean", colour="#E69F00", hatch="//"),  # [M]
    # batch size x (mean CE + lam MMCE) [M]
    "mmce": Method("MMCE", "mmce", {"lam": 2.0, "form": "code"}, colour="#56B4E9", hatch=".."),
    "ls": Method("LS-0.05", "ls", colour="#009E73", hatch="\\\\"),  # [M]
    "flsd53": Method("FLSD-53", "flsd53", colour="#0072B2", dashes=(0, _DASH_DOT_DOT), hatch="xx"),  # [M]
    "adafocal": Method(  # [paper], Section 5; [A]
        "AdaFocal",
        "adafocal",
        {
            "num_bins": 15,
            "lam": 1.0,
            "gamma_init": 1.0,
            "gamma_max": 20.0,
            "gamma_min": -2.0,
            "switch_threshold": 0.2,
        },
        colour="#D55E00",
    ),
    "fl3": Method("FL-3", "fl3", colour="#E69F00", dashes=(0, _LONG)),
    "fl4": Method("FL-4", "fl4", colour="#CC79A7", dashes=(0, _DASH_DOT)),
    "fl5": Method("FL-5", "fl5", colour="#009E73", dashes=(0, _SHORT)),
    "calfocal1": _calfocal(1, "#E69F00", _LONG),
    "calfocal10": _calfocal(10, "#CC79A7", _DASH_DOT),
    "calfocal100": _calfocal(100, "#009E73", _SHORT),
}
TABLE_METHODS = ("ce", "brier", "mmce", "ls", "flsd53", "adafocal")  # the columns of the paper's tables
