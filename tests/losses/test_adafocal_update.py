"""AdaFocal's update against a literal Algorithm 1."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration import BinStats
from losses import AdaFocalLoss
from tests.support import oracles
from tests.support.batches import from_confidence, random_batch

OVER = ([0.6, 0.7, 0.8, 0.9] * 10, [False] * 40)  # confident and wrong
UNDER = ([0.55, 0.6, 0.65, 0.7] * 10, [True] * 40)  # hesitant and right


def gammas_after(loss, steps):
    for confidence, correct in steps:
        loss.update(*from_confidence(confidence, correct))
    return loss.gammas.tolist()


def test_one_step_hand_worked():
    # C = 0.8, A = 3/4 in the only bin: gamma = exp(0.05), or exp(10 * 0.05) with lambda = 10
    one_bin = [([0.8] * 4, [True, True, True, False])]
    assert gammas_after(AdaFocalLoss(num_bins=1), one_bin) == pytest.approx([math.exp(0.05)], rel=1e-6)
    assert gammas_after(AdaFocalLoss(num_bins=1, lam=10), one_bin) == pytest.approx([math.exp(0.5)], rel=1e-6)
    # a negative gamma moves the other way: over-confidence brings it towards zero
    loss = AdaFocalLoss(num_bins=1, gamma_init=-1.0)
    assert gammas_after(loss, one_bin) == pytest.approx([-math.exp(-0.05)], rel=1e-6)


def test_two_bins_hand_worked():
    loss = AdaFocalLoss(num_bins=2)
    stats = loss.update(*from_confidence([0.6, 0.6, 0.9, 0.9], [True, False, False, False]))
    np.testing.assert_allclose(stats.edges, [0.6, 0.75, 0.9])
    np.testing.assert_allclose(stats.gap, [0.1, 0.9])
    assert loss.gammas.tolist() == pytest.approx([math.exp(0.1), math.exp(0.9)], rel=1e-6)
    assert loss.edges.tolist() == pytest.approx([0.6, 0.75, 0.9], rel=1e-6)


def test_switch_to_inverse_focal_and_back():
    loss = AdaFocalLoss(num_bins=1, gamma_init=0.25)
    under = ([0.6] * 10, [True] * 10)  # gap -0.4
    over = ([0.9] * 10, [False] * 10)  # gap 0.9
    loss.update(*from_confidence(*under))  # 0.25 exp(-0.4) = 0.168 < 0.2
    assert loss.gammas.tolist() == pytest.approx([-0.2])
    loss.update(*from_confidence(*under))  # the inverse focal loss grows stronger
    assert loss.gammas.tolist() == pytest.approx([-0.2 * math.exp(0.4)])
    loss.update(*from_confidence(*over))  # 0.298 exp(-0.9) = 0.121 < 0.2
    assert loss.gammas.tolist() == pytest.approx([0.2])
    loss.update(*from_confidence(*over))
    assert loss.gammas.tolist() == pytest.approx([0.2 * math.exp(0.9)])


@given(st.data())
@settings(max_examples=50)
def test_without_the_switch_gamma_follows_the_literal_algorithm_and_stays_positive(data):
    lam = data.draw(st.sampled_from([0.5, 1.0, 5.0]))
    seeds = data.draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=12))
    loss = AdaFocalLoss(num_bins=4, lam=lam, inverse_focal=False)
    gammas = [1.0] * 4
    for seed in seeds:
        rng = np.random.default_rng(seed)
        confidence = rng.uniform(0.5, 1, 40).tolist()
        correct = (rng.uniform(size=40) < rng.choice([0.0, 0.5, 1.0])).tolist()
        loss.update(*from_confidence(confidence, correct))
        _, gammas = oracles.gamma_update_without_switch(gammas, confidence, correct, lam)
        assert loss.gammas.tolist() == pytest.approx(gammas, rel=1e-5)
        assert (loss.gammas > 0).all()


def test_without_the_switch_gamma_never_reaches_zero_and_comes_back():
    loss = AdaFocalLoss(num_bins=1, lam=100.0, gamma_init=0.01, inverse_focal=False)
    for _ in range(5):
        loss.update(*from_confidence([0.5] * 10, [True] * 10))  # each factor is exp(-50)
    assert 0 < loss.gammas.item() < 1e-37
    for _ in range(5):
        loss.update(*from_confidence([0.9] * 10, [False] * 10))  # exp(90)
    assert loss.gammas.item() == 20.0


def test_clipped_at_both_ends():
    loss = AdaFocalLoss(num_bins=2, lam=3.0)
    for _ in range(10):
        loss.update(*from_confidence(*OVER))
    assert loss.gammas.tolist() == [20.0, 20.0]
    for _ in range(20):
        loss.update(*from_confidence(*UNDER))
    assert loss.gammas.tolist() == [-2.0, -2.0]


def test_a_huge_lambda_overflows_nothing():
    loss = AdaFocalLoss(num_bins=3, lam=1e6)
    assert gammas_after(loss, [OVER]) == [20.0] * 3
    assert gammas_after(loss, [UNDER]) == pytest.approx([-0.2] * 3)
    assert gammas_after(loss, [UNDER]) == [-2.0] * 3
    assert gammas_after(loss, [OVER]) == pytest.approx([0.2] * 3)


@pytest.mark.parametrize("switch_threshold", [0.1, 0.2, 0.3, 0.35, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_calibrated_bin_keeps_its_gamma_also_at_the_threshold(switch_threshold, sign):
    # a gamma of S_th itself is not below S_th, however S_th rounds in float32
    loss = AdaFocalLoss(num_bins=1, switch_threshold=switch_threshold, gamma_init=sign * switch_threshold)
    for _ in range(3):
        loss.update(torch.tensor([[1e4, 0.0]] * 5), torch.zeros(5, dtype=torch.int64))  # C = A = 1
        assert loss.gammas.tolist() == pytest.approx([sign * switch_threshold])


STARTS = {
    "defaults": {},
    "close to the switch": {"gamma_init": 0.21},
    "inverse focal": {"gamma_init": -0.5},
    "fast": {"lam": 10.0},
    "slow": {"lam": 0.1},
    "narrow": {"gamma_max": 1.5, "gamma_min": -0.6, "switch_threshold": 0.5},
    "no upper limit": {"gamma_max": math.inf, "lam": 3.0},
    "one bin": {"num_bins": 1},
    "many bins": {"num_bins": 40},
    "frozen": {"lam": 0.0},
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("seed", [0, 1])
def test_fifty_random_steps_equal_algorithm_1(start, seed):
    options = STARTS[start]
    loss = AdaFocalLoss(**options)
    limits = {k: v for k, v in options.items() if k in ("lam", "gamma_max", "gamma_min", "switch_threshold")}
    rng = np.random.default_rng(seed)
    gammas = loss.gammas.tolist()
    seen = set()
    for step in range(50):
        n = int(rng.choice([1, 5, 15, 60, 300]))
        k = int(rng.choice([2, 10]))
        logits, targets = random_batch(n, k, seed=1000 * seed + step, scale=float(rng.choice([0.3, 2.0, 10.0])))
        if step % 10 < 5:  # stretches of under- and of over-confidence, so that gammas switch and hit the limits
            targets = torch.where(torch.from_numpy(rng.random(n) < 0.95), logits.argmax(1), targets)
        confidence, correct = oracles.top_label(logits, targets)
        edges, expected = oracles.gamma_update(gammas, confidence, correct, **limits)
        stats = loss.update(logits, targets)
        assert loss.gammas.tolist() == pytest.approx(expected, rel=1e-5), step
        assert loss.edges.tolist() == pytest.approx(edges, rel=1e-6), step
        np.testing.assert_allclose(stats.edges, edges, rtol=1e-12)
        seen |= {("switch", b > a) for a, b in zip(gammas, expected, strict=True) if a * b < 0}
        seen |= {
            ("limit", b) for b in expected if b in (options.get("gamma_max", 20.0), options.get("gamma_min", -2.0))
        }
        gammas = loss.gammas.tolist()  # from ours, so that a rounding on a threshold cannot drift
    if start == "fast":
        assert seen == {("switch", True), ("switch", False), ("limit", 20.0), ("limit", -2.0)}


def test_returns_the_statistics_of_the_equal_mass_bins():
    logits, targets = random_batch(333, 10, seed=1)
    loss = AdaFocalLoss()
    stats = loss.update(logits, targets)
    assert isinstance(stats, BinStats)
    assert stats.num_bins == 15
    assert stats.count.sum() == 333
    expected = oracles.bin_stats(*oracles.top_label(logits, targets), stats.edges.tolist())
    assert stats.count.tolist() == [n for n, _, _ in expected]
    np.testing.assert_allclose(stats.confidence, [c for _, c, _ in expected], rtol=1e-12)
    np.testing.assert_allclose(stats.accuracy, [a for _, _, a in expected], rtol=1e-12)
    np.testing.assert_array_equal(loss.edges.numpy(), stats.edges.astype(np.float32))


def test_empty_bins_keep_their_gamma():
    loss = AdaFocalLoss(num_bins=15)
    loss.gammas.copy_(torch.arange(1, 16) / 4 + 0.1)
    before = loss.gammas.clone()
    stats = loss.update(*from_confidence([0.6, 0.7, 0.8, 0.9], [False] * 4))
    empty = torch.from_numpy(stats.count == 0)
    assert empty.sum() == 11
    assert torch.equal(loss.gammas[empty], before[empty])
    assert (loss.gammas[~empty] > before[~empty]).all()


def test_a_constant_validation_set_moves_one_bin():
    loss = AdaFocalLoss(num_bins=5)
    loss.update(*from_confidence([0.75] * 20, [False] * 20))
    moved = [g for g in loss.gammas.tolist() if g != 1.0]
    assert moved == pytest.approx([math.exp(0.75)])


@pytest.mark.parametrize("n", [1, 2, 3, 14, 15, 16])
def test_small_validation_sets(n):
    logits, targets = random_batch(n, 5, seed=n)
    loss = AdaFocalLoss()
    _, expected = oracles.gamma_update([1.0] * 15, *oracles.top_label(logits, targets))
    assert loss.update(logits, targets).count.sum() == n
    assert loss.gammas.tolist() == pytest.approx(expected, rel=1e-6)


@settings(max_examples=100, derandomize=True)
@given(
    st.lists(
        st.lists(st.tuples(st.floats(0.5001, 0.9999), st.booleans()), min_size=1, max_size=12), min_size=1, max_size=8
    ),
    st.sampled_from([0.5, 1.0, 5.0, 50.0]),
    st.sampled_from([-2.0, -0.2, 0.2, 1.0, 20.0]),
)
def test_gamma_never_leaves_its_two_intervals(steps, lam, gamma_init):
    loss = AdaFocalLoss(num_bins=3, lam=lam, gamma_init=gamma_init)
    for pairs in steps:
        loss.update(*from_confidence([c for c, _ in pairs], [a for _, a in pairs]))
        for gamma in loss.gammas.tolist():
            assert -2 <= gamma <= -0.2 + 1e-8 or 0.2 - 1e-8 <= gamma <= 20


@pytest.mark.parametrize("ties", [False, True])
def test_order_of_the_validation_set_does_not_matter(ties):
    logits, targets = random_batch(400, 10, seed=2)
    if ties:
        logits = logits.round()
    shuffled, straight = AdaFocalLoss(), AdaFocalLoss()
    straight.update(logits, targets)
    orders = [torch.randperm(400, generator=torch.Generator().manual_seed(s)) for s in range(5)]
    orders.append((logits.argmax(1) == targets).int().argsort())
    for order in orders:
        shuffled.load_state_dict(AdaFocalLoss().state_dict())
        shuffled.update(logits[order], targets[order])
        torch.testing.assert_close(shuffled.edges, straight.edges, rtol=1e-6, atol=0)
        torch.testing.assert_close(shuffled.gammas, straight.gammas, rtol=1e-6, atol=0)


def test_accepts_what_an_evaluation_loop_gives():
    logits, targets = random_batch(100, 10, seed=3, dtype=torch.float32)
    straight = AdaFocalLoss()
    straight.update(logits, targets)
    leaf = logits.clone().requires_grad_()
    for z, y in (
        (leaf, targets),
        (logits.numpy(), targets.numpy()),
        (logits, targets.int()),
        (logits.double(), targets),
    ):
        other = AdaFocalLoss()
        other.update(z, y)
        assert not other.gammas.requires_grad
        assert not other.edges.requires_grad
        torch.testing.assert_close(other.gammas, straight.gammas)
    with torch.inference_mode():
        other = AdaFocalLoss()
        other.update(logits, targets)
    with torch.inference_mode():
        straight.update(logits, targets)
    value = straight(leaf, targets)  # buffers written in inference mode still serve in training
    value.backward()
    assert leaf.grad.isfinite().all()
    bf16 = AdaFocalLoss()
    bf16.update(logits.bfloat16(), targets)
    expected = AdaFocalLoss()
    expected.update(logits.bfloat16().double(), targets)
    torch.testing.assert_close(bf16.gammas, expected.gammas)


GOOD = random_batch(30, 4, seed=4)
BAD = {
    "nan": (
        GOOD[0].index_put((torch.tensor(29), torch.tensor(3)), torch.tensor(math.nan, dtype=torch.float64)),
        GOOD[1],
    ),
    "inf": (
        GOOD[0].index_put((torch.tensor(0), torch.tensor(0)), torch.tensor(math.inf, dtype=torch.float64)),
        GOOD[1],
    ),
    "empty": (torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)),
    "fewer labels": (GOOD[0], GOOD[1][:-1]),
    "label K": (GOOD[0], GOOD[1].clone().index_fill(0, torch.tensor([7]), 4)),
    "label -100": (GOOD[0], GOOD[1].clone().index_fill(0, torch.tensor([7]), -100)),
    "labels of fractions": (GOOD[0], GOOD[1] / 2),
    "one dimension": (GOOD[0][:, 0], GOOD[1]),
    "swapped": (GOOD[1], GOOD[0]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_and_changes_nothing(case):
    loss = AdaFocalLoss()
    loss.update(*random_batch(100, 4, seed=5))
    before = {name: tensor.clone() for name, tensor in loss.state_dict().items()}
    with pytest.raises(ValueError) as error:
        loss.update(*BAD[case])
    assert "\n" not in str(error.value)
    for name, tensor in loss.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_update_leaves_the_callers_tensors_alone():
    logits, targets = random_batch(50, 4, seed=6)
    before = logits.clone(), targets.clone()
    AdaFocalLoss().update(logits, targets)
    assert torch.equal(logits, before[0])
    assert torch.equal(targets, before[1])
