"""No loss looks at its values in `forward`: it traces as one graph, runs without data, and waits for no device."""

import pytest
import torch

from losses import CalFocalLoss
from tests.support.batches import NAMES, make, random_batch, value_and_grad

every_loss = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@every_loss
def test_compiled_as_one_graph(name):
    logits, targets = random_batch(32, 10, seed=1)  # in float64 another order of roundings is nothing
    loss = make(name)
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    expected, expected_grad = value_and_grad(loss, logits, targets)
    value, grad = value_and_grad(compiled, logits, targets)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(grad, expected_grad)
    value, grad = value_and_grad(compiled, logits.float(), targets)
    assert value.isfinite()
    assert grad.isfinite().all()


def test_calfocal_of_samples_compiled_as_one_graph():
    logits, targets = random_batch(32, 10, seed=1)
    loss = CalFocalLoss(lam=10.0, mode="sample")
    loss.update(*random_batch(200, 10, seed=2))
    expected, expected_grad = value_and_grad(loss, logits, targets)
    value, grad = value_and_grad(torch.compile(loss, backend="aot_eager", fullgraph=True), logits, targets)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(grad, expected_grad)


@pytest.mark.parametrize("name", ["adafocal", "calfocal"])
def test_a_compiled_loss_sees_an_update(name):
    logits, targets = random_batch(64, 10, seed=1)
    loss = make(name)
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    before = compiled(logits, targets)
    for seed in range(3):
        loss.update(*random_batch(200, 10, seed=seed, scale=0.5))
        torch.testing.assert_close(compiled(logits, targets), loss(logits, targets))
    assert not torch.equal(compiled(logits, targets), before)


@every_loss
def test_runs_on_the_meta_device(name):
    loss = make(name).to("meta")
    value = loss(torch.zeros(8, 10, device="meta"), torch.zeros(8, dtype=torch.int64, device="meta"))
    assert value.device.type == "meta"
    assert value.shape == ()
