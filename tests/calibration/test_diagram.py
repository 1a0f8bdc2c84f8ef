import matplotlib as mpl
import numpy as np
import pytest

from calibration import (
    bin_stats,
    bootstrap_accuracy,
    consistency_band,
    ece_em,
    ece_ew,
    equal_width_edges,
    reliability_diagram,
)
from tests.support.predictions import random_predictions

mpl.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


CONFIDENCE = [0.05, 0.4, 0.45, 0.9, 0.95, 1.0]  # five equal-width bins: 1, 0, 2, 0 and 3 samples
CORRECT = [False, True, False, True, True, False]


def bars(ax):
    return [bar for container in ax.containers for bar in container.patches]


def test_draws_on_the_given_axes_and_returns_them():
    _, (left, right) = plt.subplots(1, 2)
    plt.sca(right)
    assert reliability_diagram(CONFIDENCE, CORRECT, num_bins=5, ax=left) is left
    assert bars(left)
    assert not right.has_data()


def test_makes_axes_when_none_are_given():
    ax = reliability_diagram(CONFIDENCE, CORRECT)
    assert isinstance(ax, mpl.axes.Axes)
    assert ax.get_xlabel()
    assert ax.get_ylabel()


def test_an_empty_bin_has_no_bar():
    # drawn as if its accuracy were 0: https://github.com/EFS-OpenSource/calibration-framework/issues/52
    drawn = bars(reliability_diagram(CONFIDENCE, CORRECT, num_bins=5))
    assert len(drawn) == 3
    assert [bar.get_x() for bar in drawn] == pytest.approx([0, 0.4, 0.8])
    assert [bar.get_width() for bar in drawn] == pytest.approx([0.2] * 3)
    assert [bar.get_y() + bar.get_height() for bar in drawn] == pytest.approx([0, 1 / 2, 2 / 3])


@pytest.mark.parametrize("binning", ["ew", "em"])
@pytest.mark.parametrize("n", [1, 4, 200])
def test_as_many_bars_as_bins_that_are_not_empty(binning, n):
    confidence, correct = random_predictions(n, seed=n)
    drawn = bars(reliability_diagram(confidence, correct, binning=binning))
    if binning == "ew":
        expected = np.count_nonzero(bin_stats(confidence, correct, equal_width_edges(15)).count)
    else:
        expected = min(n, 15)
    assert len(drawn) == expected
    assert all(np.isfinite(bar.get_height()) for bar in drawn)


def test_ready_statistics_give_the_same_bars():
    stats = bin_stats(CONFIDENCE, CORRECT, equal_width_edges(5))
    ready, computed = reliability_diagram(stats), reliability_diagram(CONFIDENCE, CORRECT, num_bins=5)
    assert [bar.get_bbox().bounds for bar in bars(ready)] == [bar.get_bbox().bounds for bar in bars(computed)]


@pytest.mark.parametrize(("binning", "score"), [("ew", ece_ew), ("em", ece_em)])
def test_says_the_ece_in_percent(binning, score):
    confidence, correct = random_predictions(200, seed=1, sharpness=3)
    ax = reliability_diagram(confidence, correct, binning=binning)
    shown = " ".join([ax.get_title(), *(text.get_text() for text in ax.texts)])
    assert f"{100 * score(confidence, correct):.2f}" in shown.replace(" %", "%").replace("%", "")


@pytest.mark.parametrize("confidence", [0.0, 0.7, 1.0])
def test_constant_predictor_is_visible(confidence):
    drawn = bars(reliability_diagram([confidence] * 10, [True] * 7 + [False] * 3, binning="em"))
    assert len(drawn) == 1
    assert drawn[0].get_width() > 0
    assert 0 <= drawn[0].get_x() <= drawn[0].get_x() + drawn[0].get_width() <= 1
    assert drawn[0].get_height() == pytest.approx(7 / 10)


def boxes(ax):
    """Lower and upper ends of the consistency band's boxes."""
    (band,) = (drawn for drawn in ax.collections if "band" in drawn.get_label())
    return np.array([path.get_extents().intervaly for path in band.get_paths()])


def test_band_and_intervals_are_those_of_the_functions():
    confidence, correct = random_predictions(200, seed=1)
    ax = reliability_diagram(confidence, correct, num_bins=5, level=0.9)
    edges = equal_width_edges(5)
    np.testing.assert_allclose(boxes(ax), np.transpose(consistency_band(confidence, edges, 0.9)))
    (lines,) = (drawn for drawn in ax.collections if drawn.get_label() == "90 % bootstrap interval")
    shown = np.array([segment[:, 1] for segment in lines.get_segments()])
    np.testing.assert_allclose(shown, np.transpose(bootstrap_accuracy(bin_stats(confidence, correct, edges), 0.9)))


def test_ready_statistics_have_no_band_and_no_level_leaves_intervals_out():
    stats = bin_stats(CONFIDENCE, CORRECT, equal_width_edges(5))
    labels = reliability_diagram(stats).get_legend_handles_labels()[1]
    assert [label for label in labels if "%" in label] == ["95 % bootstrap interval"]
    labels = reliability_diagram(CONFIDENCE, CORRECT, level=None).get_legend_handles_labels()[1]
    assert not [label for label in labels if "%" in label]


def test_counts_are_below_the_diagram_and_as_wide():
    ax = reliability_diagram(CONFIDENCE, CORRECT, num_bins=5)
    main, counts = ax.figure.axes
    assert main is ax
    assert [bar.get_height() for bar in counts.patches] == [1, 2, 3]
    ax.figure.canvas.draw()
    above, below = main.get_position(), counts.get_position()
    assert below.y1 < above.y0
    assert (below.x0, below.x1) == pytest.approx((above.x0, above.x1))
    assert counts.get_xlabel() == "confidence"


def test_given_axes_alone_are_drawn_on():
    figure, (ax, counts) = plt.subplots(1, 2)
    reliability_diagram(CONFIDENCE, CORRECT, num_bins=5, ax=ax)
    assert figure.axes == [ax, counts]
    assert not counts.has_data()
    reliability_diagram(CONFIDENCE, CORRECT, num_bins=5, ax=ax, counts_ax=counts)
    assert len(counts.patches) == 3


@pytest.mark.parametrize(("confidence", "correct"), [([1.0] * 8, [True] * 8), ([0.3], [False]), ([1.0], [False])])
@pytest.mark.parametrize("binning", ["ew", "em"])
def test_one_sample_and_confidences_of_1_are_drawn(confidence, correct, binning):
    ax = reliability_diagram(confidence, correct, binning=binning)
    assert len(bars(ax)) == 1
    assert len(boxes(ax)) == 1
    ax.figure.canvas.draw()


def test_bad_input():
    with pytest.raises(ValueError, match="confidence"):
        reliability_diagram([0.5, np.nan], [True, False])
    with pytest.raises(ValueError, match="binning"):
        reliability_diagram(CONFIDENCE, CORRECT, binning="equal")
    with pytest.raises(ValueError, match="num_bins"):
        reliability_diagram(CONFIDENCE, CORRECT, num_bins=0)
    with pytest.raises(ValueError, match="correct"):
        reliability_diagram(CONFIDENCE)
    with pytest.raises(ValueError, match="level"):
        reliability_diagram(CONFIDENCE, CORRECT, level=95)
