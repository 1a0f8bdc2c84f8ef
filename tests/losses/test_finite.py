"""Values and gradients stay finite where the plain (1 - p)^gamma does not.

The plain form has a NaN gradient for 0 < gamma < 1 once p rounds to 1 (https://github.com/kornia/kornia/issues/918),
and AdaFocal's gammas live there.
"""

import math

import pytest
import torch

from losses import AdaFocalLoss, CalFocalLoss, FLSDLoss, FocalLoss, InverseFocalLoss
from tests.support.batches import NAMES, from_confidence, make, value_and_grad

GAMMAS = (-2.0, -0.5, -0.2, 0.0, 0.2, 0.5, 0.99, 1.0, 2.0, 3.0, 5.0, 20.0, 1e3, 1e10, 1e20, 1e30)
MARGINS = tuple(
    s * m for m in (0.0, 1e-6, 1.0, 10.0, 15.9, 16.7, 17.0, 20.0, 50.0, 88.0, 100.0, 104.0, 800.0, 1e4) for s in (1, -1)
)
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def batch(k, dtype):
    logits = torch.zeros(len(MARGINS), k, dtype=torch.float64)
    logits[:, 0] = torch.tensor(MARGINS)
    return logits.to(dtype), torch.zeros(len(MARGINS), dtype=torch.int64)


def assert_finite(loss, logits, targets, what):
    value, grad = value_and_grad(loss, logits, targets)
    assert value.isfinite().all(), (what, value)
    assert grad.isfinite().all(), (what, grad)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("k", [2, 10])
def test_focal_family(gamma, dtype, k):
    logits, targets = batch(k, dtype)
    ada = AdaFocalLoss(reduction="none")
    ada.gammas.fill_(gamma)
    assert_finite(ada, logits, targets, gamma)
    plain = FocalLoss(gamma, reduction="none") if gamma >= 0 else InverseFocalLoss(-gamma, reduction="none")
    assert_finite(plain, logits, targets, gamma)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("k", [2, 10])
def test_every_loss(name, dtype, k):
    assert_finite(make(name), *batch(k, dtype), name)
    logits, targets = batch(k, dtype)
    for i in range(len(logits)):
        assert_finite(make(name), logits[i : i + 1], targets[i : i + 1], (name, MARGINS[i]))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("lam", [0.0, 1.0, 100.0, 1e4])
@pytest.mark.parametrize("mode", ["sample", "bin"])
@pytest.mark.parametrize("gamma_max", [20.0, math.inf])
def test_calfocal_with_large_lambda(mode, lam, dtype, gamma_max):
    loss = CalFocalLoss(lam=lam, mode=mode, gamma_max=gamma_max, reduction="none")
    loss.update(*from_confidence([0.6, 0.7, 0.8, 0.9, 0.99] * 10, [False] * 25 + [True] * 25))
    assert_finite(loss, *batch(2, dtype), (mode, lam))


@pytest.mark.parametrize("lam", [1.0, 30.0, 1000.0])
def test_gammas_that_an_infinite_gamma_max_lets_grow(lam):
    loss = AdaFocalLoss(gamma_max=math.inf, lam=lam, reduction="none")
    wrong = from_confidence([0.6, 0.7, 0.8, 0.9, 0.99] * 10, [False] * 50)
    for _ in range(200):
        loss.update(*wrong)
        assert not loss.gammas.isnan().any()
    assert loss.gammas[-1] > 1e20
    for dtype in DTYPES:
        assert_finite(loss, *batch(2, dtype), (lam, dtype))


def test_flsd_and_focal_on_the_largest_floats():
    largest = torch.finfo(torch.float32).max / 4
    logits = torch.tensor([[largest, -largest], [-largest, largest], [0.0, 0.0]])
    for loss in (FLSDLoss(), FocalLoss(gamma=0.5), FocalLoss(gamma=3), AdaFocalLoss()):
        value, grad = value_and_grad(loss, logits, torch.zeros(3, dtype=torch.int64))
        assert value.isfinite()
        assert grad.isfinite().all()


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"ls"}))  # which asks for a share of every class
def test_classes_that_a_sample_cannot_have(name):
    logits = torch.randn(40, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(40) % 5
    logits[torch.arange(40), (targets + 1) % 5] = -torch.inf
    loss = make(name, reduction="sum")
    value, grad = value_and_grad(loss, logits, targets)
    assert value.isfinite()
    assert grad.isfinite().all()
    assert (grad[logits.isneginf()] == 0).all()
    if hasattr(loss, "update"):
        bins = loss.update(logits, targets)
        assert bins.count.sum() == 40
        probability = logits.softmax(dim=1)
        assert (bins.count * bins.confidence).sum() == pytest.approx(probability.amax(dim=1).sum().item())
        expected = loss.update(torch.log(probability).clamp(min=-1e4), targets)
        assert bins.edges.tolist() == pytest.approx(expected.edges.tolist())
