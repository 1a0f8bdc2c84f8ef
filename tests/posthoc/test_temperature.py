import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration import ece_em, top_label
from posthoc import TemperatureScaling
from tests.support import oracles
from tests.support.calibrators import fit_quietly, planted

END_OF_GRID = (RuntimeWarning, UserWarning)

# --- the grid search -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "k", "temperature"), [(1, 3, 1), (7, 2, 2), (40, 3, 0.5), (301, 10, 3), (500, 10, 1), (200, 100, 1.7)]
)
def test_equals_the_loop_over_a_hundred_temperatures(n, k, temperature):
    logits, labels = planted(temperature, n, k, seed=n)
    scores = oracles.temperature_scores(logits, labels)
    fitted = fit_quietly(logits, labels)
    assert fitted.temperature_ == oracles.best_temperature(scores)
    assert isinstance(fitted.temperature_, float)


def test_the_grid_is_tenths_from_a_tenth_to_ten():
    for k in (1, 2, 7, 13, 29, 58, 99, 100):
        logits, labels = planted(k / 10, 4000, seed=k, scale=3.0)
        found = fit_quietly(logits, labels).temperature_
        assert found in [j / 10 for j in range(1, 101)]  # 0.3, not 0.30000000000000004


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_a_planted_temperature_is_found(temperature, dtype):
    # float32 input left netcal at T = 1: https://github.com/EFS-OpenSource/calibration-framework/issues/48
    logits, labels = planted(temperature, 20_000, seed=1)
    fitted = TemperatureScaling().fit(logits.astype(dtype), labels)
    assert fitted.temperature_ == pytest.approx(temperature, rel=0.1)
    before, after = ece_em(*top_label(logits, labels)), ece_em(*top_label(logits / fitted.temperature_, labels))
    assert after < 0.02
    if temperature != 1:
        assert before > 0.1


def test_over_confidence_is_cooled_by_dividing():
    # the convention z / T: T > 1 lowers confidence
    over, labels = planted(3.0, 3000, seed=2)
    fitted = TemperatureScaling().fit(over, labels)
    assert fitted.temperature_ > 2
    assert fitted.confidence(over).mean() < top_label(over, labels)[0].mean()
    under, labels = planted(0.4, 3000, seed=3)
    assert TemperatureScaling().fit(under, labels).temperature_ < 0.6


def test_flipped_labels_move_the_temperature_up():
    logits, labels = planted(1.0, 5000, seed=4, scale=3.0)
    flipped = np.where(np.random.default_rng(0).random(5000) < 0.2, (labels + 1) % 10, labels)
    assert (
        TemperatureScaling().fit(logits, flipped).temperature_ > TemperatureScaling().fit(logits, labels).temperature_
    )


@settings(max_examples=40, derandomize=True)
@given(st.integers(1, 60), st.integers(2, 5), st.integers(0, 10_000), st.sampled_from([0.1, 0.5, 2.0, 20.0]))
def test_validation_error_never_rises(n, k, seed, scale):
    rng = np.random.default_rng(seed)
    logits, labels = scale * rng.standard_normal((n, k)), rng.integers(0, k, n)
    temperature = fit_quietly(logits, labels).temperature_
    assert temperature > 0
    after = oracles.ece_em(*oracles.top_label(logits / temperature, labels))
    assert after <= oracles.ece_em(*oracles.top_label(logits, labels)) + 1e-12


def test_order_of_the_validation_set_does_not_matter():
    logits, labels = planted(1.5, 400, seed=5)
    order = np.random.default_rng(0).permutation(400)
    assert (
        TemperatureScaling().fit(logits[order], labels[order]).temperature_
        == TemperatureScaling().fit(logits, labels).temperature_
    )


# --- ties and the ends of the grid -----------------------------------------------------------------------------------


@pytest.mark.parametrize("logits", [np.zeros((12, 3)), np.full((12, 4), 5.3), 1e4 * np.eye(12)])
def test_among_equal_scores_the_temperature_nearest_one(logits):
    # uniform or saturated: the confidence is the same at every T
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert TemperatureScaling().fit(logits, np.zeros(12, dtype=int)).temperature_ == 1.0


def test_a_tie_away_from_one_takes_the_nearest():
    # all right, margin 100: confidence rounds to 1, and the error to 0, for every T up to about 2.7; 1 is among them
    logits = np.array([[100.0, 0.0]] * 20)
    assert TemperatureScaling().fit(logits, np.zeros(20, dtype=int)).temperature_ == 1.0
    # margin 20: it rounds to 1 up to T = 0.5
    logits = np.array([[20.0, 0.0]] * 20)
    scores = oracles.temperature_scores(logits, [0] * 20)
    zeros = [t for t, score in scores.items() if score == 0]
    assert zeros
    assert max(zeros) < 1
    assert TemperatureScaling().fit(logits, np.zeros(20, dtype=int)).temperature_ == max(zeros)


def test_warns_where_every_answer_is_right():
    rng = np.random.default_rng(6)
    logits = rng.standard_normal((500, 10))
    with pytest.warns(END_OF_GRID, match="0.1"):
        fitted = TemperatureScaling().fit(logits, logits.argmax(1))
    assert fitted.temperature_ == 0.1


def test_warns_where_every_answer_is_wrong():
    rng = np.random.default_rng(7)
    logits = 5 * rng.standard_normal((500, 10))
    with pytest.warns(END_OF_GRID, match="10"):
        fitted = TemperatureScaling().fit(logits, (logits.argmax(1) + 1) % 10)
    assert fitted.temperature_ == 10.0


def test_no_warning_inside_the_grid():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TemperatureScaling().fit(*planted(2.0, 2000, seed=8))


# --- size ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk_bytes", [80, 8 * 10 * 7, 1 << 30])
def test_the_size_of_a_chunk_does_not_change_the_result(monkeypatch, chunk_bytes):
    logits, labels = planted(1.6, 300, seed=16)
    expected = TemperatureScaling().fit(logits, labels)
    monkeypatch.setattr("calibration.confidence.CHUNK_BYTES", chunk_bytes)
    fitted = TemperatureScaling().fit(logits, labels)
    assert fitted.temperature_ == expected.temperature_
    np.testing.assert_allclose(fitted.confidence(logits), expected.confidence(logits), rtol=1e-14)


MEMORY = """
import resource, sys
import numpy as np
from posthoc import TemperatureScaling
rng = np.random.default_rng(0)
n, k = 6000, 200
logits = 3 * rng.standard_normal((n, k))
labels = (logits / 2 + rng.gumbel(size=(n, k))).argmax(1)
TemperatureScaling().fit(logits[:100], labels[:100])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
TemperatureScaling().fit(logits, labels)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / (8 * n * k))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
def test_memory_is_a_few_copies_of_the_logits_not_one_per_temperature():
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", MEMORY], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 15  # one softmax a temperature would be 100
