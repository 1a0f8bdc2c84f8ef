"""The table of post-hoc calibrators."""

from collections.abc import Callable
from dataclasses import dataclass

from posthoc.affine import DirichletCalibration, VectorScaling
from posthoc.base import Calibrator
from posthoc.ensemble import EnsembleTemperatureScaling
from posthoc.spline import SplineCalibration
from posthoc.temperature import NLLTemperatureScaling, TemperatureScaling
from posthoc.top_label import HistogramBinning, IsotonicCalibration


@dataclass(frozen=True)
class Entry:
    """One line of the table.

    Attributes:
        make: makes the calibrator.
        label: what readers call it.
        max_classes: beyond which its parameters are too many to be fitted in minutes, or by any validation set; None:
            any number.
    """

    make: Callable[..., Calibrator]
    label: str
    max_classes: int | None = None

    def takes(self, num_classes: int) -> bool:
        """Whether it is worth fitting to so many classes."""
        return self.max_classes is None or num_classes <= self.max_classes


CALIBRATORS: dict[str, Entry] = {
    "ts": Entry(TemperatureScaling, "TS (ECE_EM)"),
    "ts-nll": Entry(NLLTemperatureScaling, "TS (NLL)"),
    "ets": Entry(EnsembleTemperatureScaling, "ETS"),
    "spline": Entry(SplineCalibration, "Spline"),
    "histogram": Entry(HistogramBinning, "Histogram"),
    "isotonic": Entry(IsotonicCalibration, "Isotonic"),
    "vector": Entry(VectorScaling, "Vector"),
    "dirichlet": Entry(DirichletCalibration, "Dirichlet", max_classes=100),  # K^2 parameters
}


def build(name: str, **options) -> Calibrator:
    """Make a calibrator by its name.

    Raises:
        ValueError: an unknown name (the message lists the choices), or an option the calibrator refuses.
    """
    if name not in CALIBRATORS:
        raise ValueError(f"unknown calibrator {name!r}: choose from {', '.join(CALIBRATORS)}")
    try:
        return CALIBRATORS[name].make(**options)
    except TypeError as error:
        raise ValueError(f"calibrator {name!r}: {error}") from None
