"""Reliability diagrams: accuracy against confidence, a bar a bin."""

import numpy as np

from calibration.binning import BinStats, bin_stats, equal_mass_edges, equal_width_edges
from calibration.checks import as_outcomes


def reliability_diagram(confidence, correct=None, num_bins: int = 15, binning: str = "ew", ax=None):
    """Draw the accuracy of every bin and its gap to the bin's mean confidence.

    A bar reaches from 0 to the bin's accuracy; a dot marks the bin's mean confidence and a line joins the two: a dot
    above its bar is over-confidence, a dot inside it under-confidence. The dashed diagonal is perfect calibration. An
    empty bin has no bar. The title gives ECE in percent, the bins and N.

    Args:
        confidence: [N] in [0, 1], or a ready `BinStats` (then `correct`, `num_bins` and `binning` are not used).
        correct: [N] bool.
        num_bins: M.
        binning: "ew" (equal width) or "em" (equal mass).
        ax: the matplotlib Axes to draw on; a new figure's when None.

    Returns:
        The Axes.

    Raises:
        ValueError: as `bin_stats`, and for an unknown binning.
    """
    if isinstance(confidence, BinStats):
        bins, kind = confidence, ""
    elif binning == "ew":
        bins, kind = bin_stats(confidence, correct, equal_width_edges(num_bins)), " equal-width"
    elif binning == "em":
        confidence, correct = as_outcomes(confidence, correct)
        bins, kind = bin_stats(confidence, correct, equal_mass_edges(confidence, num_bins)), " equal-mass"
    else:
        raise ValueError(f'binning must be "em" or "ew", got {binning!r}')

    if ax is None:
        import matplotlib.pyplot as plt  # only who draws needs matplotlib

        ax = plt.figure(figsize=(3.4, 3.4), layout="constrained").add_subplot()
    full = np.flatnonzero(bins.count)
    width = np.maximum(bins.upper - bins.lower, 2e-3)[full]  # a bin of equal confidences is a line
    place = {"x": np.minimum(bins.lower[full], 1 - width), "width": width, "align": "edge"}
    ax.bar(height=bins.accuracy[full], **place, color="#0072B2", edgecolor="white", linewidth=0.5, label="accuracy")
    ax.vlines(bins.confidence[full], bins.accuracy[full], bins.confidence[full], color="#D55E00", lw=2, label="gap")
    ax.plot(bins.confidence[full], bins.confidence[full], "o", color="#D55E00", ms=3, label="mean confidence")
    ax.plot([0, 1], [0, 1], "--", color="0.4", lw=1, label="perfect calibration")
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="confidence", ylabel="accuracy")
    ax.set_title(
        f"ECE {100 * bins.ece:.2f} % ({bins.num_bins}{kind} bins, N = {bins.count.sum():,})", fontsize=9, loc="center"
    )
    ax.legend(loc="upper left", fontsize=7, framealpha=0.8, edgecolor="none")
    return ax
