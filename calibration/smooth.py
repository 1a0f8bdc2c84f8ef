"""The smooth calibration error, which has no bins."""

import numpy as np
from scipy.fft import dct, idct
from scipy.optimize import brentq

from calibration.checks import as_outcomes

CELLS = 1 << 13  # of the grid on [0, 1] that residuals are spread on


def smooth_ece(confidence, correct) -> float:
    """Smooth ECE: the mean absolute residual, smoothed over confidence by a kernel as wide as the result.

    With a Gaussian kernel K_s of width s, reflected at 0 and 1, smECE_s is the integral over t in [0, 1] of
    |mean_n (correct_n - confidence_n) K_s(t, confidence_n)|. It falls as s grows; the result is the s with smECE_s = s.

    Source: Blasiok and Nakkiran 2024, "Smooth ECE", Definitions 2 and 3. Residuals are spread linearly on a grid of
    8,192 cells. The authors' package relplot finds s to 1/1,024.

    Args:
        confidence: [N] of the predicted class, in [0, 1].
        correct: [N] bool, or 0 and 1.

    Returns:
        Fraction in [0, 1].

    Raises:
        ValueError: as `ece_ew`.
    """
    confidence, correct = as_outcomes(confidence, correct)
    residuals = (correct - confidence) / len(confidence)
    place = np.clip(confidence * CELLS - 0.5, 0, CELLS - 1)  # in cells, whose centres are the whole numbers
    cell = place.astype(int)
    right = place - cell
    spread = np.bincount(cell, residuals * (1 - right), CELLS)
    spread += np.bincount(np.minimum(cell + 1, CELLS - 1), residuals * right, CELLS)
    # The reflected kernel multiplies the cosine of frequency k by exp(-(pi k s)^2 / 2).
    cosines, decay = dct(spread), -0.5 * (np.pi * np.arange(CELLS)) ** 2

    def error(width: float) -> float:
        return float(np.abs(idct(cosines * np.exp(decay * width**2))).sum())

    if error(0.0) == 0.0:
        return 0.0
    if error(1.0) >= 1.0:  # sure of what is wrong; rounding may put it above 1
        return 1.0
    return float(brentq(lambda width: error(width) - width, 0.0, 1.0, xtol=1e-10))
