"""AdaFocal's value: which bin a sample falls in, and which gamma it gets. Updates are in test_adafocal_update.py."""

import math

import pytest
import torch

from losses import AdaFocalLoss
from tests.support import oracles
from tests.support.batches import from_confidence, make, random_batch, value_and_grad


def used_gammas(loss, p):
    """The gamma that the loss applies at each true-class probability, read back from its value."""
    logits = torch.stack([torch.tensor(p).log(), (1 - torch.tensor(p, dtype=torch.float64)).log()], dim=1)
    targets = torch.zeros(len(p), dtype=torch.int64)
    ratio = loss(logits, targets) / torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    p = logits.softmax(1)[:, 0]
    focal = ratio.log() / (1 - p).log()
    return torch.where(ratio > 1, -ratio.log() / (1 + p).log(), focal)


def with_bins(edges, gammas):
    loss = AdaFocalLoss(num_bins=len(gammas), reduction="none")
    loss.edges.copy_(torch.tensor(edges))
    loss.gammas.copy_(torch.tensor(gammas))
    return loss


def test_starts_with_equal_width_bins_and_gamma_one():
    loss = AdaFocalLoss()
    assert loss.gammas.tolist() == [1.0] * 15
    torch.testing.assert_close(loss.edges, torch.tensor([k / 15 for k in range(16)]))
    assert loss.gammas.dtype == loss.edges.dtype == torch.float32
    logits, targets = random_batch(50, 10)
    expected = [oracles.focal(row, y, 1) for row, y in zip(logits.tolist(), targets.tolist(), strict=True)]
    assert loss(logits, targets).item() == pytest.approx(sum(expected) / 50, rel=1e-12)


@pytest.mark.parametrize("gamma_init", [-2.0, -0.2, 0.2, 3.0, 20.0])
def test_gamma_init(gamma_init):
    loss = AdaFocalLoss(gamma_init=gamma_init, num_bins=4)
    assert loss.gammas.tolist() == pytest.approx([gamma_init] * 4)


def test_each_sample_uses_the_gamma_of_its_bin():
    loss = with_bins([0.2, 0.4, 0.6, 0.9], [3.0, -1.0, 0.5])
    torch.testing.assert_close(
        used_gammas(loss, [0.25, 0.39, 0.41, 0.59, 0.61, 0.89]),
        torch.tensor([3.0, 3.0, -1.0, -1.0, 0.5, 0.5], dtype=torch.float64),
        rtol=1e-5,
        atol=1e-5,
    )


def test_beyond_the_validation_set_s_range_the_end_bins_go_on():
    loss = with_bins([0.2, 0.4, 0.6, 0.9], [3.0, -1.0, 0.5])
    below, above = used_gammas(loss, [0.001, 0.1, 0.19]), used_gammas(loss, [0.91, 0.95, 0.999])
    torch.testing.assert_close(below, torch.full((3,), 3.0, dtype=torch.float64), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(above, torch.full((3,), 0.5, dtype=torch.float64), rtol=1e-5, atol=1e-5)


def test_the_probability_of_the_true_class_decides_not_the_top_one():
    loss = with_bins([0.0, 0.5, 1.0], [5.0, 1.0])
    logits = torch.tensor([[0.9, 0.1]], dtype=torch.float64).log()
    assert loss(logits, torch.tensor([1])).item() == pytest.approx(-(0.9**5) * math.log(0.1), rel=1e-12)
    assert loss(logits, torch.tensor([0])).item() == pytest.approx(-0.1 * math.log(0.9), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_hundred_thousand_samples_like_a_loop_over_the_bins(dtype):
    loss = make("adafocal", reduction="none")
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(100_000, generator=generator, dtype=torch.float64).clamp(1e-6, 1 - 1e-6)
    logits = torch.stack([p.log(), (1 - p).log()], dim=1).to(dtype)
    targets = torch.zeros(len(p), dtype=torch.int64)
    edges, gammas = loss.edges.tolist(), loss.gammas.tolist()
    clear = (p[:, None] - loss.edges).abs().amin(1) > 1e-6  # rounding decides on the edge itself
    assert clear.sum() > 99_000
    gamma = torch.tensor([gammas[oracles.bin_index(x, edges)] for x in p.tolist()], dtype=torch.float64)
    factor = torch.where(gamma >= 0, 1 - p, 1 + p) ** gamma.abs()
    values = loss(logits, targets).double()
    tolerance = {torch.float32: 2e-6, torch.float64: 1e-12}[dtype]
    torch.testing.assert_close(values[clear], (-factor * p.log())[clear], rtol=tolerance * 100, atol=tolerance)


def test_equal_edges_use_one_of_their_bins_for_every_tie():
    loss = with_bins([0.5, 0.5, 0.5, 0.5], [1.0, 2.0, 3.0])  # after a validation set of one confidence
    torch.testing.assert_close(
        used_gammas(loss, [0.3, 0.7]), torch.tensor([1.0, 3.0], dtype=torch.float64), rtol=1e-5, atol=1e-5
    )


def test_value_equals_the_scalar_formula_after_updates():
    loss = make("adafocal", reduction="none")
    logits, targets = random_batch(500, 10, seed=9, scale=2.0)
    edges, gammas = loss.edges.tolist(), loss.gammas.tolist()
    expected = []
    for row, y in zip(logits.tolist(), targets.tolist(), strict=True):
        p = math.exp(oracles.log_softmax_at(row, y))
        expected.append(oracles.focal(row, y, gammas[oracles.bin_index(p, edges)]))
    torch.testing.assert_close(
        loss(logits, targets), torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-12
    )


def test_gamma_is_a_constant_in_the_backward_pass():
    loss = make("adafocal", reduction="none")
    assert not loss.gammas.requires_grad
    logits, targets = random_batch(200, 2, seed=10, scale=2.0)
    _, grad = value_and_grad(loss, logits, targets)
    edges, gammas = loss.edges.tolist(), loss.gammas.tolist()
    for row, y, g in zip(logits.tolist(), targets.tolist(), grad.tolist(), strict=True):
        margin = row[y] - row[1 - y]
        gamma = gammas[oracles.bin_index(1 / (1 + math.exp(-margin)), edges)]
        assert g[y] == pytest.approx(oracles.focal_slope(margin, gamma), rel=1e-6, abs=1e-12)


def test_gradient_with_frozen_bins_equals_finite_differences():
    loss = make("adafocal", reduction="sum")
    logits, targets = random_batch(60, 6, seed=11)
    p = logits.softmax(1).gather(1, targets[:, None])
    clear = (p - loss.edges).abs().amin(1) > 1e-3  # no step of the differences crosses an edge
    logits, targets = logits[clear][:20], targets[clear][:20]
    assert len({oracles.bin_index(x, loss.edges.tolist()) for x in p[clear][:20, 0].tolist()}) >= 5
    assert torch.autograd.gradcheck(lambda z: loss(z, targets), logits.requires_grad_(), atol=1e-7, rtol=1e-5)


CONTRADICTIONS = {
    "gamma_init zero": {"gamma_init": 0.0},
    "gamma_init below the threshold": {"gamma_init": 0.1},
    "negative gamma_init above minus the threshold": {"gamma_init": -0.1},
    "gamma_init above gamma_max": {"gamma_init": 21.0},
    "gamma_init below gamma_min": {"gamma_init": -2.5},
    "gamma_init nan": {"gamma_init": math.nan},
    "gamma_init negative without the switch": {"gamma_init": -0.5, "inverse_focal": False},
    "gamma_init above gamma_max without the switch": {"gamma_init": 21.0, "inverse_focal": False},
    "threshold above |gamma_min|": {"switch_threshold": 2.5, "gamma_init": 3.0},
    "threshold above gamma_max": {"switch_threshold": 1.0, "gamma_max": 0.5, "gamma_init": -1.0},
    "threshold zero": {"switch_threshold": 0.0},
    "threshold negative": {"switch_threshold": -0.2},
    "threshold nan": {"switch_threshold": math.nan},
    "gamma_min zero": {"gamma_min": 0.0},
    "gamma_min positive": {"gamma_min": 1.0},
    "gamma_min nan": {"gamma_min": math.nan},
    "gamma_max negative": {"gamma_max": -1.0},
    "gamma_max nan": {"gamma_max": math.nan},
    "lam negative": {"lam": -1.0},
    "lam inf": {"lam": math.inf},
    "lam nan": {"lam": math.nan},
    "num_bins zero": {"num_bins": 0},
    "num_bins negative": {"num_bins": -1},
    "num_bins not an integer": {"num_bins": 7.5},
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_options_that_contradict_each_other_are_refused(case):
    options = CONTRADICTIONS[case]
    with pytest.raises(ValueError) as error:
        AdaFocalLoss(**options)
    assert any(name in str(error.value) for name in options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "options",
    [
        {"gamma_max": math.inf},
        {"gamma_init": -2.0},
        {"switch_threshold": 0.5},
        {"switch_threshold": 2.0, "gamma_init": 2.0},
        {"lam": 0.0},
        {"num_bins": 1},
        {"gamma_max": 1.0},
        {"gamma_init": 0.2},
    ],
)
def test_limits_themselves_are_allowed(options):
    loss = AdaFocalLoss(**options)
    loss.update(*from_confidence([0.6, 0.7, 0.9], [True, False, True]))
    assert loss(*random_batch(8, 4)).isfinite()
