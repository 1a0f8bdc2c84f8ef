"""Reliability diagrams: accuracy against confidence, a bar a bin."""

import numpy as np

from calibration.bands import bootstrap_accuracy, consistency_band
from calibration.binning import BinStats, bin_stats, equal_mass_edges, equal_width_edges
from calibration.checks import as_outcomes

BLUE, ORANGE, GREY = "#56B4E9", "#D55E00", "0.25"


def reliability_diagram(
    confidence,
    correct=None,
    num_bins: int = 15,
    binning: str = "ew",
    ax=None,
    counts_ax=None,
    level: float | None = 0.95,
    seed: int = 0,
):
    """Draw the accuracy of every bin, its gap to the bin's mean confidence, and what chance makes of both.

    A bar reaches from 0 to the bin's accuracy; a dot marks the bin's mean confidence: a dot above its bar is
    over-confidence, a dot inside it under-confidence. The grey box round the dot is the `consistency_band`: of a
    calibrated model the bar would end in it. The black line is the `bootstrap_accuracy` interval of the bar's end. The
    dashed diagonal is perfect calibration. An empty bin has nothing. The title gives ECE in percent, the bins and N.

    Without `ax` a new figure has a second panel under the diagram, the number of samples in every bin on a logarithmic
    scale. With `ax` the diagram alone is drawn there, and the counts on `counts_ax` if that is given.

    Args:
        confidence: [N] in [0, 1], or a ready `BinStats`. Then `correct`, `num_bins` and `binning` are not used, and
            there is no band, which needs the confidence of every sample.
        correct: [N] bool.
        num_bins: M.
        binning: "ew" (equal width) or "em" (equal mass).
        ax: the matplotlib Axes to draw on; a new figure's when None.
        counts_ax: the Axes for the number of samples.
        level: of the band and the intervals, in (0, 1); None leaves both out.
        seed: of the bootstrap.

    Returns:
        The Axes of the diagram.

    Raises:
        ValueError: as `bin_stats`, and for an unknown binning or a level outside (0, 1).
    """
    if isinstance(confidence, BinStats):
        bins, kind, band = confidence, "", None
    else:
        if binning not in ("ew", "em"):
            raise ValueError(f'binning must be "em" or "ew", got {binning!r}')
        confidence, correct = as_outcomes(confidence, correct)
        edges = equal_width_edges(num_bins) if binning == "ew" else equal_mass_edges(confidence, num_bins)
        bins, kind = bin_stats(confidence, correct, edges), {"ew": " equal-width", "em": " equal-mass"}[binning]
        band = None if level is None else consistency_band(confidence, edges, level)
    interval = None if level is None else bootstrap_accuracy(bins, level, seed=seed)

    if ax is None:
        import matplotlib.pyplot as plt  # only who draws needs matplotlib

        ax, counts_ax = panels(plt.figure(figsize=(3.6, 4.6), layout="constrained"))
    full = np.flatnonzero(bins.count)
    left, width = _places(bins)
    place = {"x": left[full], "width": width[full], "align": "edge"}
    ax.bar(height=bins.accuracy[full], **place, color=BLUE, edgecolor="white", linewidth=0.5, label="accuracy")
    if band is not None:
        corners = np.stack([left, left + width, np.full(bins.num_bins, np.nan)], axis=1).ravel()  # NaN parts the boxes
        low, high = (np.repeat(ends, 3) for ends in band)
        look = {"facecolor": "0.5", "edgecolor": GREY, "alpha": 0.45, "linewidth": 0.5}
        ax.fill_between(corners, low, high, label=f"{100 * level:g} % consistency band", **look)
    ax.plot([0, 1], [0, 1], "--", color="0.4", lw=1, label="perfect calibration")
    if interval is not None:
        middle = (left + width / 2)[full]
        said = f"{100 * level:g} % bootstrap interval"
        ax.vlines(middle, interval[0][full], interval[1][full], color="black", lw=1, label=said)
    dots = {"color": ORANGE, "ms": 3, "clip_on": False, "zorder": 3}  # whole at 1, too
    ax.plot(bins.confidence[full], bins.confidence[full], "o", **dots, label="mean confidence")
    ax.set(xlim=(0, 1), ylim=(0, 1), box_aspect=1, xlabel="confidence", ylabel="accuracy")
    ax.set_title(
        f"ECE {100 * bins.ece:.2f} % ({bins.num_bins}{kind} bins, N = {bins.count.sum():,})", fontsize=9, loc="center"
    )
    ax.legend(loc="upper left", fontsize=7, framealpha=0.8, edgecolor="none")
    if counts_ax is not None:
        _draw_counts(bins, ax, counts_ax)
    return ax


def panels(figure):
    """The Axes of a diagram and, under it, of its counts, alone on a new matplotlib figure of constrained layout."""
    ax, counts_ax = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    counts_ax.set_box_aspect(0.22)
    return ax, counts_ax


def _places(bins: BinStats) -> tuple[np.ndarray, np.ndarray]:
    """Left ends [M] and widths [M] of the bars; a bin of equal confidences is a line."""
    width = np.maximum(bins.upper - bins.lower, 2e-3)
    return np.minimum(bins.lower, 1 - width), width


def _draw_counts(bins: BinStats, ax, counts_ax) -> None:
    full = np.flatnonzero(bins.count)
    left, width = (ends[full] for ends in _places(bins))
    counts_ax.bar(left, bins.count[full], width, align="edge", color="0.6", edgecolor="white", linewidth=0.5)
    most = int(bins.count.max())
    counts_ax.set(xlim=(0, 1), yscale="log", ylim=(0.7, 1.5 * most), ylabel="samples")
    counts_ax.set_yticks(sorted({1, most}), [f"{count:,}" for count in sorted({1, most})])
    counts_ax.minorticks_off()
    counts_ax.set_xlabel(ax.get_xlabel())
    ax.xaxis.label.set_visible(False)  # the counts' stands for both
    ax.tick_params(labelbottom=False)
