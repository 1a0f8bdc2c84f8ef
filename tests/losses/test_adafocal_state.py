"""AdaFocal's state travels: checkpoints, copies, devices and types."""

import copy
import io

import pytest
import torch

from losses import AdaFocalLoss, CalFocalLoss
from tests.support.batches import random_batch


def updated(kind=AdaFocalLoss, seeds=range(4), **options):
    loss = kind(**options)
    for seed in seeds:
        loss.update(*random_batch(200, 10, seed=seed))
    return loss


def assert_same_state(a, b):
    assert a.state_dict().keys() == b.state_dict().keys()
    for name, tensor in a.state_dict().items():
        assert torch.equal(tensor, b.state_dict()[name]), name


KINDS = [
    (AdaFocalLoss, {}),
    (CalFocalLoss, {"lam": 10.0, "mode": "sample"}),
    (CalFocalLoss, {"lam": 10.0, "mode": "bin"}),
]
every_kind = pytest.mark.parametrize(("kind", "options"), KINDS, ids=["adafocal", "calfocal-sample", "calfocal-bin"])


def test_what_a_checkpoint_holds():
    state = AdaFocalLoss(num_bins=7).state_dict()
    assert state["gammas"].shape == (7,)
    assert state["edges"].shape == (8,)


@every_kind
def test_resumed_equals_uninterrupted(kind, options, tmp_path):
    loss = updated(kind, **options)
    torch.save({"loss": loss.state_dict()}, tmp_path / "checkpoint.pt")
    resumed = kind(**options)
    resumed.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True)["loss"])
    assert_same_state(resumed, loss)
    for seed in range(10, 15):
        loss.update(*random_batch(150, 10, seed=seed))
        resumed.update(*random_batch(150, 10, seed=seed))
    assert_same_state(resumed, loss)
    logits, targets = random_batch(64, 10, seed=20)
    assert torch.equal(resumed(logits, targets), loss(logits, targets))


@every_kind
def test_the_state_matters(kind, options):
    logits, targets = random_batch(64, 10, seed=20)
    assert not torch.equal(updated(kind, **options)(logits, targets), kind(**options)(logits, targets))


@every_kind
def test_a_copy_lives_its_own_life(kind, options):
    loss = updated(kind, **options)
    twin = copy.deepcopy(loss)
    assert_same_state(twin, loss)
    twin.update(*random_batch(100, 10, seed=9))
    assert not torch.equal(twin.edges, loss.edges)
    buffer = io.BytesIO()
    torch.save(loss.state_dict(), buffer)
    buffer.seek(0)
    other = kind(**options)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert_same_state(other, loss)


CASTS = {
    "half": lambda m: m.half(),
    "bfloat16": lambda m: m.bfloat16(),
    "double": lambda m: m.double(),
    "to float16": lambda m: m.to(torch.float16),
    "to device and type": lambda m: m.to("cpu", torch.bfloat16),
}


@pytest.mark.parametrize("cast", CASTS)
@every_kind
def test_state_stays_float32_with_every_digit(kind, options, cast):
    loss = updated(kind, **options)
    before = copy.deepcopy(loss)
    CASTS[cast](loss)
    assert all(tensor.dtype == torch.float32 for tensor in loss.state_dict().values())
    assert_same_state(loss, before)
    model = torch.nn.ModuleDict({"net": torch.nn.Linear(2, 2), "loss": loss})  # cast with the model that holds it
    CASTS[cast](model)
    assert model["net"].weight.dtype != torch.float32
    assert_same_state(loss, before)
    assert all(tensor.dtype == torch.float32 for tensor in loss.state_dict().values())
    assert model["loss"].edges is model.state_dict(keep_vars=True)["loss.edges"]


@every_kind
def test_an_update_after_a_cast_still_works(kind, options):
    loss, same = updated(kind, **options), updated(kind, **options)
    loss.half()
    for each in (loss, same):
        each.update(*random_batch(100, 10, seed=9))
    assert_same_state(loss, same)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@every_kind
def test_state_is_float32_under_another_default_type(kind, options, dtype):
    torch.set_default_dtype(dtype)
    try:
        loss = updated(kind, **options)
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(tensor.dtype == torch.float32 for tensor in loss.state_dict().values())
    assert_same_state(loss, updated(kind, **options))


def test_moves_to_another_device():
    loss = updated().to("meta")
    assert loss.gammas.device.type == loss.edges.device.type == "meta"


def test_another_number_of_bins_is_refused():
    with pytest.raises(RuntimeError, match="gammas"):
        AdaFocalLoss(num_bins=10).load_state_dict(AdaFocalLoss(num_bins=15).state_dict())
