import math

import pytest
import torch

from losses import CalFocalLoss, FocalLoss
from tests.support import oracles
from tests.support.batches import from_confidence, random_batch, value_and_grad

VALIDATION = random_batch(300, 10, seed=1, scale=2.0)
LAMBDAS = [0.0, 1.0, 10.0, 100.0]


def fitted(lam, mode, **options):
    loss = CalFocalLoss(lam=lam, mode=mode, reduction="none", **options)
    return loss, loss.update(*VALIDATION)


def clear_batch(edges, n=200):
    """A batch that keeps off the edges, which float32 rounds."""
    logits, targets = random_batch(n, 10, seed=2, scale=2.0)
    p = logits.softmax(1).gather(1, targets[:, None])
    clear = (p - torch.as_tensor(edges)).abs().amin(1) > 1e-6
    return logits[clear], targets[clear]


def per_sample(logits, targets, value):
    rows = [value(row, y) for row, y in zip(logits.tolist(), targets.tolist(), strict=True)]
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("mode", ["sample", "bin"])
def test_gamma_is_one_before_the_first_update(mode):
    logits, targets = random_batch(50, 10)
    loss = CalFocalLoss(lam=100.0, mode=mode, reduction="none")
    torch.testing.assert_close(loss(logits, targets), FocalLoss(gamma=1.0, reduction="none")(logits, targets))
    assert loss.edges.tolist() == pytest.approx([k / 15 for k in range(16)])


def test_eq_2_hand_worked():
    # one bin with A = 1/2; p = 3/4, lambda = 4: gamma = e; p = 1/2: gamma = 1
    loss = CalFocalLoss(lam=4.0, mode="sample", num_bins=1, reduction="none")
    loss.update(*from_confidence([0.6, 0.9], [True, False]))
    values = loss(*from_confidence([3 / 4, 1 / 2], [True, True]))
    assert values.tolist() == pytest.approx([math.log(4 / 3) / 4**math.e, math.log(2) / 2], rel=1e-6)


def test_eq_3_hand_worked():
    # one bin with C = 3/4, A = 1/2, lambda = 4: gamma = e wherever p is
    loss = CalFocalLoss(lam=4.0, mode="bin", num_bins=1, reduction="none")
    loss.update(*from_confidence([0.6, 0.9], [True, False]))
    assert loss.gammas.tolist() == pytest.approx([math.e], rel=1e-6)
    values = loss(*from_confidence([3 / 4, 1 / 2], [True, True]))
    assert values.tolist() == pytest.approx([math.log(4 / 3) / 4**math.e, math.log(2) / 2**math.e], rel=1e-6)


@pytest.mark.parametrize("lam", LAMBDAS)
@pytest.mark.parametrize("gamma_max", [20.0, 5.0])
def test_eq_2_equals_the_scalar_formula(lam, gamma_max):
    loss, stats = fitted(lam, "sample", gamma_max=gamma_max)
    torch.testing.assert_close(loss.accuracy.double(), torch.from_numpy(stats.accuracy), rtol=1e-6, atol=1e-7)
    edges, accuracy = loss.edges.tolist(), loss.accuracy.tolist()
    logits, targets = clear_batch(loss.edges)
    expected = per_sample(
        logits, targets, lambda row, y: oracles.calfocal_sample(row, y, edges, accuracy, lam, gamma_max)
    )
    torch.testing.assert_close(loss(logits, targets), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("lam", LAMBDAS)
@pytest.mark.parametrize("gamma_max", [20.0, 5.0])
def test_eq_3_equals_the_scalar_formula(lam, gamma_max):
    loss, stats = fitted(lam, "bin", gamma_max=gamma_max)
    edges = loss.edges.tolist()
    triples = list(zip(stats.count, stats.confidence, stats.accuracy, strict=True))
    logits, targets = clear_batch(loss.edges)
    expected = per_sample(logits, targets, lambda row, y: oracles.calfocal_bin(row, y, edges, triples, lam, gamma_max))
    torch.testing.assert_close(loss(logits, targets), expected, rtol=1e-5, atol=1e-9)


def test_eq_3_has_no_memory():
    once, twice = CalFocalLoss(lam=10.0, mode="bin"), CalFocalLoss(lam=10.0, mode="bin")
    once.update(*VALIDATION)
    twice.update(*random_batch(300, 10, seed=7))
    twice.update(*VALIDATION)
    torch.testing.assert_close(twice.gammas, once.gammas)


@pytest.mark.parametrize("mode", ["sample", "bin"])
@pytest.mark.parametrize("lam", [1.0, 10.0])
def test_gamma_is_a_constant_in_the_backward_pass(mode, lam):
    loss, _ = fitted(lam, mode)
    logits, targets = clear_batch(loss.edges, n=100)
    _, grad = value_and_grad(loss, logits, targets)
    edges = loss.edges.tolist()
    for i, (row, y) in enumerate(zip(logits.tolist(), targets.tolist(), strict=True)):
        p = math.exp(oracles.log_softmax_at(row, y))
        b = oracles.bin_index(p, edges)
        gamma = loss.gammas[b].item() if mode == "bin" else min(math.exp(lam * (p - loss.accuracy[b].item())), 20.0)
        _, expected = value_and_grad(FocalLoss(gamma=gamma), logits[i : i + 1], targets[i : i + 1])
        torch.testing.assert_close(grad[i], expected[0], rtol=1e-5, atol=1e-9)


def test_an_empty_bin_keeps_what_it_had():
    small = from_confidence([0.6, 0.7, 0.8, 0.9], [False, True, False, True])
    for mode, name in (("sample", "accuracy"), ("bin", "gammas")):
        loss, _ = fitted(10.0, mode)
        before = getattr(loss, name).clone()
        empty = torch.from_numpy(loss.update(*small).count == 0)
        assert empty.sum() == 11
        assert torch.equal(getattr(loss, name)[empty], before[empty])
        assert not torch.equal(getattr(loss, name)[~empty], before[~empty])


@pytest.mark.parametrize("mode", ["sample", "bin"])
def test_a_bin_that_never_saw_a_sample_has_gamma_one(mode):
    loss = CalFocalLoss(lam=10.0, mode=mode, num_bins=3, reduction="none")
    loss.update(*from_confidence([0.8] * 6, [False] * 6))  # all edges 0.8: the last bin has everything
    logits, targets = from_confidence([0.5, 0.7], [True, True])
    torch.testing.assert_close(loss(logits, targets), FocalLoss(gamma=1.0, reduction="none")(logits, targets))


def test_clipped_at_gamma_max():
    loss = CalFocalLoss(lam=100.0, mode="bin", num_bins=1)
    loss.update(*from_confidence([0.9] * 5, [False] * 5))
    assert loss.gammas.tolist() == [20.0]


@pytest.mark.parametrize("mode", ["sample", "bin"])
def test_bad_update_changes_nothing(mode):
    loss, _ = fitted(1.0, mode)
    before = {name: tensor.clone() for name, tensor in loss.state_dict().items()}
    for logits, targets in (
        (torch.full((3, 2), math.nan), torch.zeros(3, dtype=torch.int64)),
        (torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64)),
        (torch.zeros(3, 2), torch.tensor([0, 1, 2])),
    ):
        with pytest.raises(ValueError):
            loss.update(logits, targets)
    for name, tensor in loss.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize(
    "options",
    [
        {"lam": -1.0},
        {"lam": math.nan},
        {"lam": math.inf},
        {"mode": "class"},
        {"num_bins": 0},
        {"gamma_max": math.nan},
        {"gamma_max": 0.0},
    ],
)
def test_bad_options(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        CalFocalLoss(**({"lam": 1.0} | options))
