"""Every model for texts keeps the same contract."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from data import FACTS
from models import MODELS, build

PAIRS = [
    ("cnn", "newsgroups", {"vectors": torch.linspace(-1, 1, 30 * 6).view(30, 6), "vocab_size": 30}),
    ("cnn", "newsgroups-bydate", {"vocab_size": 30, "vectors": None, "embedding_dim": 6}),
    ("cnn", "topics", {"vocab_size": 30, "channels": 16}),
    ("bert-mini", "topics", {"vocab_size": 30}),
]


def ids(width: int = 25) -> torch.Tensor:
    return torch.randint(0, 30, (3, width), generator=torch.Generator().manual_seed(0))


def make(pair, seed: int = 0):
    torch.manual_seed(seed)
    return build(pair[0], pair[1], **pair[2])


def test_every_text_model_is_looked_at_here_or_in_its_own_file():
    forms = {"text", "topics"}
    models = {model for model, entry in MODELS.items() if forms & set(entry.forms)}
    assert models == {"cnn", "bert", "bert-mini"}
    datasets = {dataset for dataset, facts in FACTS.items() if facts.form in forms}
    assert datasets == {"newsgroups", "newsgroups-bydate", "topics"}
    assert all(FACTS[dataset].num_classes == 20 for dataset in datasets)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_logits_gradients_seeds_and_state(pair):
    net = make(pair)
    assert net.training
    logits = net(ids())
    assert logits.shape == (3, 20)
    assert logits.dtype == torch.float32
    F.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name
    same, other = make(pair).eval(), make(pair, seed=1).eval()
    net.eval()
    assert torch.equal(net(ids()), same(ids()))
    assert not torch.equal(net(ids()), other(ids()))
    other.load_state_dict(net.state_dict())
    assert torch.equal(net(ids()), other(ids()))
    assert build(pair[0], pair[1], num_classes=3, **pair[2])(ids()).shape == (3, 3)


@pytest.mark.parametrize(
    ("model", "dataset", "message"),
    [
        ("cnn", "cifar10", "model 'cnn' has no form for 'cifar10'; it fits newsgroups, newsgroups-bydate, topics"),
        ("bert", "topics", "model 'bert' has no form for 'topics'; it fits newsgroups, newsgroups-bydate"),
        ("bert-mini", "newsgroups", "model 'bert-mini' has no form for 'newsgroups'; it fits topics"),
        ("resnet50", "newsgroups", "model 'resnet50' has no form for 'newsgroups'"),
    ],
)
def test_models_and_datasets_that_do_not_fit(model, dataset, message):
    with pytest.raises(ValueError, match=message):
        build(model, dataset)


def test_nobody_pays_for_what_he_does_not_use():
    code = (
        "import sys, data, models; data.load('topics'); models.build('cnn', 'topics', vocab_size=9); "
        "print([name for name in ('torchvision', 'transformers', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
