import pytest
import torch

from losses import AdaFocalLoss
from tests.support.batches import NAMES, make, random_batch, value_and_grad

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.mark.parametrize("name", NAMES)
def test_same_as_on_the_cpu(name):
    logits, targets = random_batch(128, 10, seed=1)  # in float64 another order of roundings is nothing
    loss = make(name)
    expected, expected_grad = value_and_grad(loss, logits, targets)
    value, grad = value_and_grad(loss.cuda(), logits.cuda(), targets.cuda())
    torch.testing.assert_close(value.cpu(), expected)
    torch.testing.assert_close(grad.cpu(), expected_grad)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_coarser_types_are_taken(name, dtype):
    logits, targets = random_batch(128, 10, seed=1, dtype=dtype)
    loss = make(name).cuda()
    (exact, _), (value, grad) = (value_and_grad(loss, z.cuda(), targets.cuda()) for z in (logits.double(), logits))
    assert grad.dtype == dtype
    assert grad.isfinite().all()
    # computed in float32, whose roundings the losses amplify at most a hundredfold
    torch.testing.assert_close(value.double(), exact.double(), rtol=100 * 2**-24, atol=100 * 2**-24)


@pytest.mark.parametrize("name", NAMES)
def test_no_step_waits_for_the_device(name):
    logits, targets = random_batch(128, 10, seed=1, dtype=torch.float32)
    loss, logits, targets = make(name).cuda(), logits.cuda().requires_grad_(), targets.cuda()
    loss(logits, targets).backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        loss(logits, targets).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_update_on_the_device_equals_the_cpu():
    logits, targets = random_batch(1000, 10, seed=2, dtype=torch.float32)
    on_cpu, on_gpu = AdaFocalLoss(), AdaFocalLoss().cuda()
    on_cpu.update(logits, targets)
    on_gpu.update(logits.cuda(), targets.cuda())
    assert on_gpu.gammas.is_cuda
    torch.testing.assert_close(on_gpu.gammas.cpu(), on_cpu.gammas, rtol=1e-6, atol=0)
    torch.testing.assert_close(on_gpu.edges.cpu(), on_cpu.edges, rtol=1e-6, atol=0)
