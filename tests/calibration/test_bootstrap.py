"""Bootstrap intervals: the resampled scores are the scores, and intervals hold the truth as often as they say."""

import sys

import numpy as np
import pytest

from calibration import bootstrap, summary
from calibration.bootstrap import Interval, _linear
from calibration.scores import predictions_of


def linear(logits, labels, from_logits=True):
    """What `bootstrap` makes of predictions."""
    held_out = predictions_of(logits, labels, 15, from_logits)["held_out"]()
    return _linear(logits, labels, 15, from_logits, held_out)


def predictions(n, over=0.0, k=4, seed=0):
    """Two-level confidences whose accuracy is lower by `over`: every ECE of the population is `over`."""
    rng = np.random.default_rng(seed)
    confidence = rng.choice([0.6, 0.7, 0.8, 0.9], n)
    probability = np.repeat(((1 - confidence) / (k - 1))[:, None], k, axis=1)
    predicted = rng.integers(0, k, n)
    probability[np.arange(n), predicted] = confidence
    right = rng.random(n) < confidence - over
    labels = np.where(right, predicted, (predicted + rng.integers(1, k, n)) % k)
    return probability, labels


def test_a_resample_of_everything_once_gives_the_scores():
    rng = np.random.default_rng(1)
    logits, labels = 2 * rng.normal(size=(300, 5)), rng.integers(0, 5, 300)
    means, _, score = linear(logits, labels)
    found = score(means(np.ones((1, 300))))
    scores = summary(logits, labels)
    for name in ("mce", "smooth_ece"):  # without an interval
        del scores[name]
    assert {name: value.item() for name, value in found.items()} == pytest.approx(scores, abs=1e-12)


@pytest.mark.parametrize("name", ["error", "ece_ew", "nll", "brier", "classwise_ece"])
def test_a_weighted_resample_equals_the_samples_written_out(name):
    # equal-width bins do not move with the sample, so these scores can be compared on the resample itself
    probability, labels = predictions(200, over=0.1)
    means, _, score = linear(probability, labels, from_logits=False)
    drawn = np.random.default_rng(0).integers(0, 200, 200)
    weight = np.bincount(drawn, minlength=200).astype(np.float64)
    found = score(means(weight[None]))
    assert found[name].item() == pytest.approx(summary(probability[drawn], labels[drawn], from_logits=False)[name])


def test_intervals_hold_the_truth_about_95_percent_of_the_time():
    held = {"error": 0, "ece_ew": 0, "ece_em": 0, "brier": 0}
    truth = {"error": 1 - (0.75 - 0.15), "ece_ew": 0.15, "ece_em": 0.15}
    probability, labels = predictions(2_000_000, over=0.15, seed=99)
    truth["brier"] = summary(probability, labels, from_logits=False)["brier"]
    repeats = 200
    for seed in range(repeats):
        intervals = bootstrap(*predictions(1000, over=0.15, seed=seed), num_resamples=200, from_logits=False)
        for name in held:
            held[name] += intervals[name].low <= truth[name] <= intervals[name].high
    for name, count in held.items():
        assert 0.90 <= count / repeats <= 0.99, name  # 0.95, give or take three of its standard errors


def scaled(n, scale, seed):
    """Logits that were right before they were multiplied by `scale`."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, 10))
    return scale * logits, (logits + rng.gumbel(size=logits.shape)).argmax(1)


@pytest.mark.parametrize("scale", [1.0, 1.25])
def test_intervals_of_binned_scores_hold_the_truth_also_where_it_is_small(scale):
    held = dict.fromkeys(("ece_ew", "ece_em", "ece_debias", "ece_sweep_em", "classwise_ece"), 0)
    truth = dict.fromkeys(held, 0.0) if scale == 1 else summary(*scaled(400_000, scale, seed=99))
    repeats = 100
    for seed in range(repeats):
        intervals = bootstrap(*scaled(2000, scale, seed), num_resamples=200)
        for name in held:
            held[name] += intervals[name].low <= truth[name] <= intervals[name].high
    for name, count in held.items():
        assert count / repeats >= 0.88, name  # 0.95, less three standard errors


def test_the_value_lies_in_its_interval_and_two_have_none():
    for seed in range(10):
        intervals = bootstrap(*scaled(300, 1.1, seed), num_resamples=100)
        for name in ("mce", "smooth_ece"):
            assert np.isnan([intervals[name].low, intervals[name].high]).all()
        for name in ("ece_ew", "ece_em", "ece_debias", "ece_sweep_ew", "ece_sweep_em", "classwise_ece"):
            assert intervals[name].low <= intervals[name].value <= intervals[name].high, name


def test_seeds_and_shape_of_the_result():
    probability, labels = predictions(500, over=0.1)
    first = bootstrap(probability, labels, num_resamples=100, from_logits=False)
    assert first == bootstrap(probability, labels, num_resamples=100, from_logits=False)
    assert first != bootstrap(probability, labels, num_resamples=100, seed=1, from_logits=False)
    values = summary(probability, labels, from_logits=False)
    assert {name: interval.value for name, interval in first.items()} == values
    assert np.isnan([first.pop(name).low for name in ("mce", "smooth_ece")]).all()
    for name, interval in first.items():
        assert 0 <= interval.low <= interval.high, name
    wide = bootstrap(probability, labels, num_resamples=100, level=0.99, from_logits=False)
    assert wide["error"].high - wide["error"].low > first["error"].high - first["error"].low


@pytest.mark.parametrize(
    "options",
    [{"level": 0.0}, {"level": 1.0}, {"level": "0.9"}, {"num_resamples": 0}, {"num_resamples": 1e2}, {"num_bins": 0}],
)
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        bootstrap(*predictions(20), from_logits=False, **options)


def certain(n):
    """Ten classes, every prediction right."""
    labels = np.random.default_rng(0).integers(0, 10, n)
    return 9.0 * np.eye(10)[labels] + np.random.default_rng(1).normal(size=(n, 10)), labels


def test_no_error_in_100_samples_is_no_proof_that_there_is_none():
    logits, labels = certain(100)
    found = bootstrap(logits, labels, num_resamples=10)["error"]
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 100))  # Clopper-Pearson in closed form: 3.6 %
    all_wrong = bootstrap(logits, (labels + 1) % 10, num_resamples=10)["error"]
    assert (all_wrong.value, all_wrong.high) == (1, 1)
    assert all_wrong.low == pytest.approx(0.025 ** (1 / 100))
    one = bootstrap(logits[:1], labels[:1], num_resamples=10)["error"]
    assert (one.low, one.high) == (0, pytest.approx(0.975))


def test_scores_whose_resamples_cannot_differ_have_no_interval():
    logits, labels = certain(1)
    alike = np.repeat(logits, 20, axis=0), np.repeat(labels, 20)
    for given in ((logits, labels), alike):
        found = bootstrap(*given, num_resamples=50)
        del found["error"]
        for name, interval in found.items():
            assert np.isnan([interval.low, interval.high]).all(), name
            needs_two = name.endswith(("_calibration", "_refinement"))
            assert np.isfinite(interval.value) != (needs_two and len(given[1]) == 1), name


def test_an_infinite_score_has_no_interval_but_itself():
    probability, labels = np.array([[1.0, 0.0], [0.5, 0.5], [0.2, 0.8]]), np.array([1, 0, 1])
    found = bootstrap(probability, labels, num_resamples=10, from_logits=False)
    assert found["nll"] == Interval(np.inf, np.inf, np.inf)
    assert 0 <= found["error"].low <= found["error"].high <= 1


def test_groups_of_resamples_are_counted(monkeypatch):
    groups = []

    def counted(some):
        for group in some:
            groups.append(group)
            yield group

    monkeypatch.setattr(sys.modules["calibration.bootstrap"], "CHUNK", 10 * 50)
    logits, labels = scaled(50, 1.0, seed=0)
    intervals = bootstrap(logits, labels, num_resamples=35, progress=counted)
    assert groups == [0, 10, 20, 30]
    assert str(intervals) == str(bootstrap(logits, labels, num_resamples=35))


def test_scores_of_resamples_keep_no_means_alive():
    logits, labels = scaled(50, 1.0, seed=0)
    means, _, score = linear(logits, labels)
    mean = means(np.ones((3, 50)))
    assert not [name for name, found in score(mean).items() if np.shares_memory(found, mean)]
