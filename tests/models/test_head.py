"""Under autocast every model's logits are float32, not bfloat16's steps in float32's clothes."""

import pytest
import torch
from torch import nn

from data import FACTS
from models import MODELS, build
from models.head import with_float32_logits
from tests.models.test_registry import PAIRS, images
from tests.models.test_text_registry import PAIRS as TEXT_PAIRS
from tests.models.test_text_registry import ids

IMAGES = {model: dataset for model, dataset in PAIRS if FACTS[dataset].form in ("digits", "cifar")}  # one dataset each
CASES = [(model, dataset, {}) for model, dataset in IMAGES.items()] + TEXT_PAIRS
IDS = [f"{case[0]}-{case[1]}" for case in CASES]


def batch(dataset: str) -> torch.Tensor:
    return images(dataset) if FACTS[dataset].in_channels else ids()


@pytest.mark.parametrize(("model", "dataset", "options"), CASES, ids=IDS)
def test_logits_are_not_rounded_to_bf16(model, dataset, options):
    torch.manual_seed(0)
    net = build(model, dataset, **options)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = net(batch(dataset))
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())


@pytest.mark.parametrize(("model", "dataset", "options"), CASES, ids=IDS)
def test_the_same_seed_draws_the_same_weights_as_without(model, dataset, options):
    torch.manual_seed(0)
    plain, after = MODELS[model].builder(FACTS[dataset], **options).state_dict(), torch.rand(3)
    torch.manual_seed(0)
    ours, after_ours = build(model, dataset, **options).state_dict(), torch.rand(3)
    assert list(ours) == list(plain)
    assert all(torch.equal(ours[name], plain[name]) for name in plain)
    assert torch.equal(after_ours, after)


@pytest.mark.parametrize("autocast", [False, True])
def test_the_layer_computes_what_a_linear_layer_does(autocast):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 4))
    features = torch.randn(3, 6).bfloat16().float()
    expected = net(features)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = with_float32_logits(net)(features)
    assert torch.equal(found, expected)
    found.sum().backward()
    assert torch.allclose(net[1].weight.grad, features.sum(0).expand(4, 6))


def test_compiled_as_one_graph():
    torch.compiler.reset()
    net = build("resnet8", "digits").eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = net(images("digits"))
        found = torch.compile(net, backend="aot_eager", fullgraph=True)(images("digits"))
    torch.testing.assert_close(found, expected)
    torch.compiler.reset()
