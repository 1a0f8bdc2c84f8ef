import math

import pytest
import torch
import torch.nn.functional as F

from losses import MMCELoss
from tests.support import oracles
from tests.support.batches import from_confidence, random_batch, value_and_grad

FORMS = ("code", "formula")


def penalty(logits, targets, **options):
    """The MMCE term alone, of a loss with lam = 1."""
    return (MMCELoss(lam=1.0, **options)(logits, targets) - F.cross_entropy(logits, targets)).item()


@pytest.mark.parametrize("form", FORMS)
def test_one_right_and_one_wrong_of_equal_confidence(form):
    # k = 1, (1 - c) = 1/4 for the right one, c = 3/4 for the wrong one: |1/4 - 3/4|; one pair each, so no form differs
    logits, targets = from_confidence([3 / 4, 3 / 4], [True, False])
    assert penalty(logits, targets, form=form) == pytest.approx(1 / 2, abs=2e-5)


def test_hand_worked_kernel():
    # right at 0.6, wrong at 0.8: k = exp(-0.2 / 0.4), square = 0.4^2 + 0.8^2 - 2 * 0.4 * 0.8 * exp(-1/2)
    logits, targets = from_confidence([0.6, 0.8], [True, False])
    expected = math.sqrt(0.16 + 0.64 - 0.64 * math.exp(-1 / 2))
    assert penalty(logits, targets) == pytest.approx(expected, abs=2e-5)
    expected = math.sqrt(0.16 + 0.64 - 0.64 * math.exp(-2))
    assert penalty(logits, targets, kernel_width=0.1) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("n", "k"), [(2, 2), (3, 3), (8, 2), (32, 10), (96, 4), (128, 100)])
def test_equals_the_loop_over_pairs(form, n, k):
    for seed in range(5):
        logits, targets = random_batch(n, k, seed=seed, scale=3.0)
        targets[::2] = logits.argmax(1)[::2]
        expected = oracles.mmce(logits, targets, form)
        assert penalty(logits, targets, form=form) == pytest.approx(expected, rel=1e-4, abs=2e-5)


def test_the_code_divides_once_more_by_the_number_of_pairs():
    logits, targets = random_batch(96, 10, seed=1, scale=3.0)
    predicted = logits.argmax(1)
    targets = torch.where(torch.arange(96) < 48, predicted, (predicted + 1) % 10)  # 48 right, 48 wrong
    ratio = penalty(logits, targets, form="formula") / penalty(logits, targets, form="code")
    assert ratio == pytest.approx(48, rel=1e-3)


def test_the_code_form_is_the_default_with_lambda_two():
    logits, targets = random_batch(64, 10, seed=2)
    expected = F.cross_entropy(logits, targets) + 2 * oracles.mmce(logits, targets, "code")
    torch.testing.assert_close(MMCELoss()(logits, targets), expected, rtol=1e-6, atol=1e-5)


def test_lambda_scales_the_penalty_only():
    logits, targets = random_batch(64, 10, seed=3)
    ce = F.cross_entropy(logits, targets)
    torch.testing.assert_close(MMCELoss(lam=0.0)(logits, targets), ce)
    one, seven = (MMCELoss(lam=lam, form="formula")(logits, targets) - ce for lam in (1.0, 7.0))
    torch.testing.assert_close(7 * one, seven)


@pytest.mark.parametrize("form", FORMS)
def test_sum_is_batch_size_times_the_mean(form):
    logits, targets = random_batch(17, 5, seed=4)
    mean = MMCELoss(form=form)(logits, targets)
    torch.testing.assert_close(MMCELoss(form=form, reduction="sum")(logits, targets), 17 * mean)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("n", [1, 2, 3, 50])
def test_batches_all_right_or_all_wrong_have_no_penalty(form, right, n):
    logits, _ = random_batch(n, 10, seed=5)
    targets = logits.argmax(1) if right else (logits.argmax(1) + 1) % 10
    assert penalty(logits, targets, form=form) == pytest.approx(0, abs=2e-5)
    value, grad = value_and_grad(MMCELoss(form=form), logits, targets)
    _, ce_grad = value_and_grad(torch.nn.CrossEntropyLoss(), logits, targets)
    assert value.isfinite()
    torch.testing.assert_close(grad, ce_grad)


def test_saturated_batches():
    logits = 1e4 * torch.eye(4, dtype=torch.float64)
    right = torch.arange(4)
    half = torch.tensor([0, 1, 0, 0])  # two right with 1 - c = 0, two wrong with c = 1
    for form, expected in (("formula", 1.0), ("code", 1 / 2)):
        assert penalty(logits, right, form=form) == pytest.approx(0, abs=2e-5)
        loss = MMCELoss(lam=1.0, form=form)
        assert (loss(logits, half) - F.cross_entropy(logits, half)).item() == pytest.approx(expected, abs=2e-5)
        for targets in (right, half, (right + 1) % 4):
            assert value_and_grad(loss, logits.float(), targets)[1].isfinite().all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_groups_that_agree_do_not_give_the_root_of_a_negative_number(form, dtype):
    # confidence 2/3 throughout, one right and two wrong: 1/3 / 1 = 2/3 / 2, and the 1e-5 in the published code's
    # denominators leaves a square of about -3e-7, so NaN there
    logits = torch.tensor([[math.log(4), 0.0, 0.0]] * 3, dtype=dtype)
    targets = torch.tensor([0, 1, 2])
    value, grad = value_and_grad(MMCELoss(form=form), logits, targets)
    assert value.isfinite()
    assert grad.isfinite().all()
    if form == "code":
        assert penalty(logits, targets) == pytest.approx(0, abs=2e-3)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_uniform_logits(form, n):
    for dtype in (torch.float32, torch.float64):
        for targets in (torch.zeros(n, dtype=torch.int64), torch.arange(n) % 3, torch.full((n,), 2)):
            value, grad = value_and_grad(MMCELoss(form=form), torch.zeros(n, 3, dtype=dtype), targets)
            assert value.isfinite()
            assert grad.isfinite().all()


@pytest.mark.parametrize(("form", "batches"), [("code", 3000), ("formula", 600)])
def test_random_small_batches_are_finite(form, batches):
    loss = MMCELoss(form=form)
    generator = torch.Generator().manual_seed(0)
    for i in range(batches):
        n, k = 1 + i % 9, 2 + i % 3
        logits = (0.1, 1.0, 10.0, 100.0)[i % 4] * torch.randn(n, k, generator=generator)
        if i % 5 == 0:
            logits = logits.round()  # ties
        value, grad = value_and_grad(loss, logits, torch.randint(0, k, (n,), generator=generator))
        assert value.isfinite(), i
        assert grad.isfinite().all(), i


def test_autocast_does_not_round_the_kernel():
    logits, targets = random_batch(96, 10, seed=8, scale=3.0, dtype=torch.float32)
    expected = penalty(logits, targets, form="formula")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert penalty(logits, targets, form="formula") == pytest.approx(expected, rel=1e-5)


def test_order_of_the_batch_does_not_matter():
    logits, targets = random_batch(40, 10, seed=6)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(MMCELoss()(logits[order], targets[order]), MMCELoss()(logits, targets))


@pytest.mark.parametrize("form", FORMS)
def test_gradient_is_the_finite_difference(form):
    logits, targets = random_batch(10, 4, seed=7)
    targets[:5] = logits.argmax(1)[:5]
    loss = MMCELoss(lam=5.0, form=form, reduction="sum")
    assert torch.autograd.gradcheck(lambda z: loss(z, targets), logits.requires_grad_(), atol=1e-5, rtol=1e-3)


def test_the_penalty_pushes_a_wrong_prediction_down():
    logits, targets = from_confidence([0.9, 0.9], [True, False])
    _, with_penalty = value_and_grad(MMCELoss(lam=10.0), logits, targets)
    _, without = value_and_grad(MMCELoss(lam=0.0), logits, targets)
    assert with_penalty[1, 0] > without[1, 0]


def test_what_is_refused():
    with pytest.raises(ValueError, match="reduction"):
        MMCELoss(reduction="none")
    with pytest.raises(ValueError, match="form") as error:
        MMCELoss(form="paper")
    assert all(form in str(error.value) for form in FORMS)
    for width in (0.0, -0.4, math.nan):
        with pytest.raises(ValueError, match="kernel_width"):
            MMCELoss(kernel_width=width)
