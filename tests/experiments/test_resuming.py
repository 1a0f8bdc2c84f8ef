"""Checkpoints that cross from one device to another."""

import copy

import pytest
import torch
from torch import nn

from experiments.training.resuming import load_optimizer

MAKERS = {
    "sgd": lambda parameters, **how: torch.optim.SGD(parameters, 0.1, momentum=0.9, **how),
    "adam": lambda parameters, **how: torch.optim.Adam(parameters, 0.1, **how),
    "adamw": lambda parameters, **how: torch.optim.AdamW(parameters, 0.1, **how),
}


def net(channels_last: bool, device: str = "cpu") -> nn.Module:
    """A convolution whose kernel has another order in memory with channels last."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 4, 5)).to(device, torch.float64)
    return made.to(memory_format=torch.channels_last) if channels_last else made


def step(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    images = torch.randn(4, 3, 4, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    optimizer.zero_grad()
    model(images.to(next(model.parameters()).device)).square().sum().backward()
    optimizer.step()


def resumed(name: str, written: dict, read: dict) -> tuple[nn.Module, nn.Module]:
    """A net trained two steps as plainly as can be, and one whose second step follows a checkpoint.

    `written` and `read` say how the net and the optimizer are laid out before and after it: channels_last, fused,
    device.
    """

    def make(channels_last=False, fused=None, device="cpu"):
        model = net(channels_last, device)
        return model, MAKERS[name](model.parameters(), fused=fused)

    plain = make()
    for seed in (1, 2):
        step(*plain, seed)
    before = make(**written)
    step(*before, 1)
    state = copy.deepcopy({"model": before[0].state_dict(), "optimizer": before[1].state_dict()})
    model, optimizer = make(**read)
    model.load_state_dict(state["model"])
    load_optimizer(optimizer, torch.utils._pytree.tree_map(_to_cpu, state["optimizer"]))
    assert optimizer.param_groups[0]["fused"] == read.get("fused")
    step(model, optimizer, 2)
    return plain[0], model


def _to_cpu(value):
    return value.cpu() if isinstance(value, torch.Tensor) else value


def assert_close(one: nn.Module, other: nn.Module, atol: float) -> None:
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(b.cpu(), a, rtol=0, atol=atol)


# In float64 two steps round to far less than this; momentum of another layout is off by a tenth.
ROUNDING = 1e-10
AS_ON_A_GPU = {"channels_last": True, "fused": True}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(("written", "read"), [(AS_ON_A_GPU, {}), ({}, AS_ON_A_GPU), (AS_ON_A_GPU, {"fused": True})])
def test_a_checkpoint_of_another_layout_goes_on_the_same(name, written, read):
    assert_close(*resumed(name, written, read), atol=ROUNDING)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("to_gpu", [True, False])
def test_a_checkpoint_of_another_device_goes_on_the_same(name, to_gpu):
    gpu = AS_ON_A_GPU | {"device": "cuda"}
    assert_close(*resumed(name, {} if to_gpu else gpu, gpu if to_gpu else {}), atol=ROUNDING)
