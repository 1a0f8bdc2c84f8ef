"""The CNN for texts: padding costs no exactness, vectors stay as they are, and a slow net agrees."""

import pytest
import torch
import torch.nn.functional as F

from data import TokenSplit
from data.newsgroups import CNN_RECEPTIVE_FIELD
from data.ragged import Ragged
from models import build
from models.text_cnn import TextCNN


def make_net(width: int = 5, channels: int = 16, vocab_size: int = 50, **options) -> TextCNN:
    torch.manual_seed(0)
    vectors = torch.randn(vocab_size, 8).index_fill(0, torch.tensor([0]), 0)
    net = TextCNN(7, vectors=vectors, width=width, channels=channels, **options).double().eval()
    for layer in (*net.convs, net.hidden, net.fc):
        torch.nn.init.normal_(layer.bias, std=0.5)  # so that padding says something
    return net


def literal(net: TextCNN, ids: torch.Tensor) -> torch.Tensor:
    """The architecture as the paper's source writes it: convolution, ReLU, pooling, and all of it in sequence."""
    features = net.vectors[ids].transpose(1, 2)
    for conv in net.convs:
        features = torch.relu(F.conv1d(features, conv.weight, conv.bias))
        features = F.max_pool1d(features, 5, stride=1)
    return net.fc(torch.relu(net.hidden(features.max(dim=2).values)))


def test_receptive_field():
    assert make_net().receptive_field == 21 == CNN_RECEPTIVE_FIELD
    assert make_net(width=3).receptive_field == 15
    # by gradient: the tokens that reach one value before the global maximum
    net = make_net()
    words = torch.randn(1, 8, 60, dtype=torch.float64, requires_grad=True)
    reached = torch.zeros(60, dtype=torch.bool)
    for _ in range(20):
        features = words.detach() + torch.randn_like(words)
        features.requires_grad_()
        x = features
        for i, conv in enumerate(net.convs):
            x = F.conv1d(x, conv.weight, conv.bias)
            x = F.max_pool1d(x, 5, stride=1) if i < 2 else x
        x[0, :, 10].sum().backward()
        reached |= features.grad[0].abs().sum(0) > 0
    assert reached.nonzero()[:, 0].tolist() == list(range(10, 31))


def test_agrees_with_the_literal_net():
    net = make_net()
    ids = torch.randint(0, 50, (6, 40))
    torch.testing.assert_close(net(ids), literal(net, ids), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "lengths", [[0], [1], [0, 3, 40], [978, 979], [979], [980], [999], [1000], [0, 1000, 999, 30], [5, 200]]
)
def test_a_cut_batch_gives_what_full_padding_gives(lengths):
    net = make_net()
    rng = torch.Generator().manual_seed(1)
    rows = [torch.randint(1, 50, (length,), generator=rng).tolist() for length in lengths]
    labels = torch.zeros(len(rows), dtype=torch.long)
    split = TokenSplit(Ragged.of(rows), labels, ("a",), margin=net.receptive_field, max_tokens=1000)
    padded = torch.tensor([row + [0] * (1000 - len(row)) for row in rows])
    expected = literal(net, padded)
    found = torch.empty_like(expected)
    for batch in split.eval_batches(2):
        found[batch.index] = net(batch.inputs)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_a_smaller_margin_would_not_do():
    net = make_net()
    ids = torch.randint(1, 50, (64, 30))
    full = net(F.pad(ids, (0, 970)))
    assert torch.allclose(net(F.pad(ids, (0, 21))), full, rtol=1e-9)
    assert not torch.allclose(net(F.pad(ids, (0, 20))), full, rtol=1e-9)


def test_short_batches_are_padded_to_the_receptive_field():
    net = make_net()
    ids = torch.randint(1, 50, (3, 4))
    assert torch.equal(net(ids), net(F.pad(ids, (0, 17))))
    assert net(torch.zeros(2, 1, dtype=torch.long)).shape == (2, 7)


def test_vectors_are_not_trained_and_belong_to_the_state():
    vectors = torch.randn(10, 4)
    net = build("cnn", "newsgroups", vectors=vectors, vocab_size=10)
    vectors.zero_()
    assert net.vectors.abs().sum() > 0  # a copy
    assert "vectors" in net.state_dict()
    assert "vectors" not in dict(net.named_parameters())
    net(torch.randint(0, 10, (4, 30))).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in net.parameters())


def test_trained_embedding():
    torch.manual_seed(0)
    net = build("cnn", "topics", vocab_size=30, embedding_dim=12, channels=8)
    assert net.embedding.weight.shape == (30, 12)
    assert not net.embedding.weight[0].any()
    net(torch.randint(0, 30, (16, 40))).sum().backward()
    assert not net.embedding.weight.grad[0].any()  # padding stays zero
    assert all(parameter.grad.abs().sum() > 0 for parameter in net.parameters())


def test_the_papers_sizes():
    net = build("cnn", "newsgroups", vectors=torch.zeros(20_001, 100))
    sizes = [5 * 100 * 128 + 128, 5 * 128 * 128 + 128, 5 * 128 * 128 + 128, 128 * 128 + 128, 128 * 20 + 20]
    assert sum(parameter.numel() for parameter in net.parameters()) == sum(sizes)
    assert net.dropout.p == 0.3
    limit = (6 / (5 * 100 + 5 * 128)) ** 0.5  # Glorot's
    assert 0.95 * limit < net.convs[0].weight.abs().max() <= limit
    assert not any(layer.bias.any() for layer in (*net.convs, net.hidden, net.fc))


def test_dropout_acts_in_training_only():
    net = make_net(dropout=0.5)
    ids = torch.randint(0, 50, (4, 30))
    assert torch.equal(net(ids), net(ids))
    net.train()
    assert not torch.equal(net(ids), net(ids))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "a net without vectors needs vocab_size, the number of ids, >= 1; got None"),
        ({"vectors": torch.zeros(3, 2), "vocab_size": 4}, r"vectors must be \[4, D\], got \[3, 2\]"),
        ({"vectors": torch.zeros(3)}, r"vectors must be \[V \+ 1, D\], got \[3\]"),
        ({"vocab_size": 3, "channels": 0}, "channels must be >= 1, got 0"),
        ({"vocab_size": 3, "width": 0}, "width must be >= 1, got 0"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        build("cnn", "newsgroups", **options)
