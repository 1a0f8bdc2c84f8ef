import math

import pytest
import torch

from calibration import brier_score
from losses import BrierLoss
from tests.support import oracles
from tests.support.batches import from_confidence, random_batch, value_and_grad


def test_hand_worked():
    logits = torch.tensor([[0.7, 0.2, 0.1], [0.2, 0.3, 0.5]], dtype=torch.float64).log()
    targets = torch.tensor([0, 1])
    expected = torch.tensor([0.09 + 0.04 + 0.01, 0.04 + 0.49 + 0.25], dtype=torch.float64)
    torch.testing.assert_close(BrierLoss(reduction="none")(logits, targets), expected)
    assert BrierLoss()(logits, targets).item() == pytest.approx((0.14 + 0.78) / 2, abs=1e-14)
    assert BrierLoss(reduction="sum")(logits, targets).item() == pytest.approx(0.14 + 0.78, abs=1e-14)


def test_range():
    logits, targets = from_confidence([0.5], [True])
    assert BrierLoss()(logits, targets).item() == pytest.approx(1 / 2)
    saturated = 1e4 * torch.eye(3)
    assert BrierLoss()(saturated, torch.arange(3)).item() == 0
    assert BrierLoss()(saturated, (torch.arange(3) + 1) % 3).item() == 2


@pytest.mark.parametrize(("n", "k"), [(1, 2), (1, 1), (30, 3), (50, 10), (20, 100)])
def test_equals_the_oracle_and_the_metric(n, k):
    logits, targets = random_batch(n, k, seed=n)
    value = BrierLoss()(logits, targets).item()
    assert value == pytest.approx(oracles.brier_score(logits, targets.tolist()), abs=1e-12)
    assert value == pytest.approx(brier_score(logits, targets), abs=1e-12)


def test_gradient_hand_worked():
    # two classes, p = 1 / (1 + e^-m): loss 2 (1 - p)^2, slope -4 p (1 - p)^2
    logits, targets = from_confidence([0.75], [True])
    _, grad = value_and_grad(BrierLoss(), logits, targets)
    assert grad[0].tolist() == pytest.approx([-4 * 3 / 4 / 16, 4 * 3 / 4 / 16], rel=1e-12)


def test_works_without_a_gpu():
    # https://github.com/torrvision/focal_calibration asks the target for its device number, -1 on a CPU
    assert math.isfinite(BrierLoss()(torch.zeros(2, 3), torch.tensor([0, 2])).item())
