"""Post-hoc calibration: fitted on validation logits, applied to test logits. Knows nothing of files or data sets."""

from posthoc.base import Calibrator
from posthoc.temperature import TemperatureScaling

__all__ = ["Calibrator", "TemperatureScaling"]
