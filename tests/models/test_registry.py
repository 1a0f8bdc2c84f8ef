"""Every model of the table keeps the same contract; the paper's nets have the authors' parameter counts."""

import pytest
import torch
import torch.nn.functional as F

from data import FACTS, Facts
from models import MODELS, build
from models.registry import Entry

SIZES = {"digits": 8, "cifar": 32, "tiny-imagenet": 64, "imagenet": 224}
IMAGE_FORMS = set(SIZES)
PAIRS = [
    (model, dataset)
    for model, entry in MODELS.items()
    for dataset, facts in FACTS.items()
    if facts.form in entry.forms and facts.form in IMAGE_FORMS
]
SMALL = [("resnet8", "digits"), ("wrn10-2", "digits"), ("resnet8", "cifar10"), ("wrn10-2", "cifar100")]


def images(dataset: str, batch: int = 2, seed: int = 0) -> torch.Tensor:
    facts = FACTS[dataset]
    size = SIZES[facts.form]
    return torch.randn(batch, facts.in_channels, size, size, generator=torch.Generator().manual_seed(seed))


def num_parameters(model: str, dataset: str) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(model, dataset).parameters())


@pytest.mark.parametrize(
    ("model", "dataset", "expected"),
    [
        ("resnet50", "cifar10", 23_520_842),
        ("resnet110", "cifar10", 45_864_522),
        ("wrn26-10", "cifar10", 36_481_434),
        ("densenet121", "cifar10", 6_956_298),
        ("resnet50", "cifar100", 23_520_842 + 90 * 2049),
        ("resnet50", "tiny-imagenet", 25_138_952),
        ("resnet110", "tiny-imagenet", 47_482_632),
        ("resnet50", "imagenet", 25_557_032),
        ("resnet110", "imagenet", 47_900_712),
        ("densenet121", "imagenet", 7_978_856),
        ("resnet8", "digits", 77_754),
        ("wrn10-2", "digits", 303_866),
    ],
)
def test_parameter_counts(model, dataset, expected):
    assert num_parameters(model, dataset) == expected


@pytest.mark.parametrize(("model", "dataset"), PAIRS)
def test_logits_of_every_pair(model, dataset):
    with torch.device("meta"):
        logits = build(model, dataset)(images(dataset).to("meta"))
    assert logits.shape == (2, FACTS[dataset].num_classes)
    assert logits.dtype == torch.float32


@pytest.mark.parametrize(("model", "dataset"), SMALL)
def test_gradient_reaches_every_parameter(model, dataset):
    net = build(model, dataset)
    F.cross_entropy(net(images(dataset)), torch.tensor([0, 1])).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("model", ["resnet50", "resnet110", "wrn26-10", "densenet121"])
def test_gradient_reaches_every_parameter_of_a_large_net(model):
    test_gradient_reaches_every_parameter(model, "cifar10")


@pytest.mark.parametrize(("model", "dataset"), [*SMALL, ("densenet121", "cifar10")])
def test_state_dict_round_trip(model, dataset):
    first, second = build(model, dataset).eval(), build(model, dataset).eval()
    x = images(dataset)
    with torch.no_grad():
        assert not torch.equal(first(x), second(x))
        second.load_state_dict(first.state_dict())
        torch.testing.assert_close(first(x), second(x), rtol=0, atol=0)


@pytest.mark.parametrize(("model", "dataset"), SMALL)
def test_channels_last_gives_the_same_logits(model, dataset):
    net = build(model, dataset).double().eval()  # sums in another order: nothing in float64
    x = images(dataset).double()
    with torch.no_grad():
        expected = net(x)
        found = net.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_tiny_imagenet_head_sees_8192_features():
    with torch.device("meta"):
        assert build("resnet50", "tiny-imagenet").fc.in_features == 8192


def test_cifar_nets_start_from_pytorchs_default_weights_and_the_others_from_hes():
    torch.manual_seed(0)
    cifar = build("resnet50", "cifar10").layer4[0].conv2.weight  # 512 channels, 3x3
    tiny = build("resnet50", "tiny-imagenet").layer4[0].conv2.weight
    fan = 512 * 9
    assert cifar.abs().max() <= fan**-0.5
    assert tiny.std().item() == pytest.approx((2 / fan) ** 0.5, rel=0.01)


def test_same_seed_same_weights():
    nets = []
    for _ in range(2):
        torch.manual_seed(3)
        nets.append(build("resnet8", "digits"))
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(a, b)


def test_num_classes_overrides_the_datasets():
    assert build("resnet8", "digits", num_classes=3)(images("digits")).shape == (2, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet51", "cifar10"), r"unknown model 'resnet51'; choose from resnet50, .*wrn10-2"),
        (("resnet50", "cifar11"), r"unknown dataset 'cifar11'; choose from digits, .*imagenet"),
        (("wrn26-10", "imagenet"), r"model 'wrn26-10' has no form for 'imagenet'; it fits cifar10, cifar100"),
        (("resnet8", "digits", 0), r"num_classes must be >= 1, got 0"),
    ],
)
def test_errors_name_the_culprit_and_the_choices(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(*arguments)


def test_unknown_option_is_refused():
    with pytest.raises(ValueError, match="model 'resnet8' has no option 'dropout'; it has stem_stride"):
        build("resnet8", "digits", dropout=0.1)


@pytest.mark.parametrize("model", ["resnet8", "wrn10-2"])
def test_a_strided_stem_halves_the_image_and_keeps_the_weights(model):
    plain, strided = build(model, "digits"), build(model, "digits", stem_stride=2)
    x = images("digits")
    assert plain.stem(x).shape[2:] == (8, 8)
    assert strided.stem(x).shape[2:] == (4, 4)
    assert strided(x).shape == (2, 10)
    plain.load_state_dict(strided.state_dict())
    with pytest.raises(ValueError, match="stem_stride must be 1 or 2, got 0"):
        build(model, "digits", stem_stride=0)


def test_an_entry_gets_the_facts_and_its_options(monkeypatch):
    def builder(facts: Facts, width: int = 4):
        return torch.nn.Linear(facts.in_channels, width * facts.num_classes)

    monkeypatch.setitem(MODELS, "linear", Entry(builder, forms=("digits",), label="linear"))
    assert build("linear", "digits", width=2).out_features == 20
    with pytest.raises(ValueError, match="it has width"):
        build("linear", "digits", depth=2)
