"""Post-hoc calibration: fitted on validation logits, applied to test logits. Knows nothing of files or data sets.

A new calibrator is a file of its own and a line in `registry.CALIBRATORS`.
"""

from posthoc.affine import DirichletCalibration, VectorScaling
from posthoc.base import Calibrator
from posthoc.ensemble import EnsembleTemperatureScaling
from posthoc.registry import CALIBRATORS, build
from posthoc.spline import SplineCalibration
from posthoc.temperature import NLLTemperatureScaling, TemperatureScaling
from posthoc.top_label import HistogramBinning, IsotonicCalibration

__all__ = [
    "CALIBRATORS",
    "Calibrator",
    "DirichletCalibration",
    "EnsembleTemperatureScaling",
    "HistogramBinning",
    "IsotonicCalibration",
    "NLLTemperatureScaling",
    "SplineCalibration",
    "TemperatureScaling",
    "VectorScaling",
    "build",
]
