import math

import pytest
import torch
import torch.nn.functional as F

from losses import AdaFocalLoss, FLSDLoss, FocalLoss, InverseFocalLoss
from tests.support import oracles
from tests.support.batches import GAMMAS, from_confidence, random_batch, value_and_grad

HALF = torch.tensor([[0.0, 0.0]], dtype=torch.float64)  # p = 1/2
THREE_QUARTERS = torch.tensor([[math.log(3), 0.0]], dtype=torch.float64)
LABEL = torch.tensor([0])


def with_gamma(gamma, **options):
    loss = AdaFocalLoss(reduction="none", **options)
    loss.gammas.fill_(gamma)
    return loss


def expected_rows(logits, targets, value):
    rows = [value(row, y) for row, y in zip(logits.double().tolist(), targets.tolist(), strict=True)]
    return torch.tensor(rows, dtype=torch.float64)


def test_hand_worked():
    assert FocalLoss(gamma=3)(HALF, LABEL).item() == pytest.approx(math.log(2) / 8, rel=1e-12)
    assert FocalLoss(gamma=2)(THREE_QUARTERS, LABEL).item() == pytest.approx(math.log(4 / 3) / 16, rel=1e-12)
    assert InverseFocalLoss(gamma=2)(HALF, LABEL).item() == pytest.approx(math.log(2) * 9 / 4, rel=1e-12)
    assert with_gamma(-1)(THREE_QUARTERS, LABEL).item() == pytest.approx(math.log(4 / 3) * 7 / 4, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "loss", [FocalLoss(gamma=0.0, reduction="none"), InverseFocalLoss(gamma=0.0, reduction="none"), with_gamma(0.0)]
)
@pytest.mark.parametrize("scale", [1.0, 10.0, 1000.0])
def test_gamma_zero_is_cross_entropy_bit_for_bit(loss, dtype, scale):
    logits, targets = random_batch(500, 10, seed=1, scale=scale, dtype=dtype)
    logits.requires_grad_()
    ours, theirs = loss(logits, targets), F.cross_entropy(logits, targets, reduction="none")
    assert torch.equal(ours, theirs)
    (ours_grad,) = torch.autograd.grad(ours.sum(), logits)
    (theirs_grad,) = torch.autograd.grad(theirs.sum(), logits)
    # p, and p - 1 of the own class: either side's exponential is off by an ulp or two of p <= 1
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(ours_grad, theirs_grad, rtol=4 * eps, atol=4 * eps)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize(("k", "scale"), [(2, 1.0), (10, 3.0), (1000, 5.0)])
def test_equals_the_scalar_formula(gamma, k, scale):
    logits, targets = random_batch(60, k, seed=2, scale=scale)
    expected = expected_rows(logits, targets, lambda row, y: oracles.focal(row, y, gamma))
    # a loss of AdaFocal keeps gammas in float32: 0.2 and 0.99 are not exact there
    torch.testing.assert_close(with_gamma(gamma)(logits, targets), expected, rtol=1e-6, atol=1e-12)
    plain = FocalLoss(gamma, reduction="none") if gamma > 0 else InverseFocalLoss(-gamma, reduction="none")
    torch.testing.assert_close(plain(logits, targets), expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(plain(logits.float(), targets).double(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.2, 0.5, 1.0, 2.0])
def test_negative_gamma_is_one_plus_p(gamma):
    logits, targets = random_batch(100, 5, seed=3, scale=4.0)
    p = logits.softmax(1).gather(1, targets[:, None])[:, 0]
    expected = (1 + p) ** gamma * F.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(with_gamma(-gamma)(logits, targets), expected, rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(
        InverseFocalLoss(gamma, reduction="none")(logits, targets), expected, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("gamma", GAMMAS)
def test_gradient_equals_the_closed_form(gamma):
    for margin in (-8.0, -2.0, -0.3, 0.0, 0.3, 2.0, 8.0):
        logits = torch.tensor([[margin, 0.0]], dtype=torch.float64)
        _, grad = value_and_grad(with_gamma(gamma), logits, LABEL)
        slope = oracles.focal_slope(margin, gamma)
        assert grad[0, 0].item() == pytest.approx(slope, rel=1e-5, abs=1e-12), margin
        assert grad[0, 1].item() == pytest.approx(-slope, rel=1e-5, abs=1e-12), margin


@pytest.mark.parametrize("gamma", [-2.0, -0.2, 0.2, 0.5, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_stays_close_to_the_truth_where_p_nears_one(gamma, dtype):
    for margin in (10.0, 14.0, 16.0, 17.0, 20.0, 30.0, 100.0):
        logits = torch.tensor([[margin, 0.0]], dtype=dtype)
        value, grad = value_and_grad(with_gamma(gamma), logits, LABEL)
        assert grad[0, 0].item() == pytest.approx(oracles.focal_slope(margin, gamma), abs=1e-6), margin
        assert value.item() == pytest.approx(oracles.focal([margin, 0.0], 0, gamma), abs=1e-6), margin


def test_a_descent_step_raises_p_for_every_gamma():
    for gamma in GAMMAS:
        for margin in (-3.0, 0.0, 1.0, 3.0):
            _, grad = value_and_grad(with_gamma(gamma), torch.tensor([[margin, 0.0]], dtype=torch.float64), LABEL)
            assert grad[0, 0] < 0, (gamma, margin)


def test_flsd_is_gamma_five_below_a_fifth_and_three_from_there():
    logits, targets = from_confidence([0.19, 0.1999, 0.2001, 0.25, 0.5, 0.99, 0.01], [True] * 7, num_classes=10)
    gammas = [5, 5, 3, 3, 3, 3, 5]
    p = [0.19, 0.1999, 0.2001, 0.25, 0.5, 0.99, 0.01]
    expected = torch.tensor(
        [-((1 - q) ** g) * math.log(q) for q, g in zip(p, gammas, strict=True)], dtype=torch.float64
    )
    torch.testing.assert_close(FLSDLoss(reduction="none")(logits, targets), expected)


def test_flsd_equals_the_scalar_formula():
    logits, targets = random_batch(200, 10, seed=4, scale=3.0)
    p = logits.softmax(1).gather(1, targets[:, None])
    assert (p < 0.2).any()
    assert (p > 0.2).any()
    expected = expected_rows(logits, targets, oracles.flsd53)
    torch.testing.assert_close(FLSDLoss(reduction="none")(logits, targets), expected)
    torch.testing.assert_close(
        FLSDLoss(reduction="none")(logits.float(), targets).double(), expected, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("gamma", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", [FocalLoss, InverseFocalLoss])
def test_gamma_must_be_a_number(kind, gamma):
    with pytest.raises(ValueError, match="gamma"):
        kind(gamma=gamma)


@pytest.mark.parametrize("loss", [InverseFocalLoss(100.0, "sum"), AdaFocalLoss(gamma_min=-100.0, gamma_init=-100.0)])
def test_the_largest_inverse_gamma_is_finite(loss):
    logits = torch.tensor([[20.0, 0.0], [0.0, 20.0], [0.0, 0.0]])
    value, grad = value_and_grad(loss, logits, torch.tensor([0, 0, 1]))
    assert torch.isfinite(value)
    assert torch.isfinite(grad).all()
