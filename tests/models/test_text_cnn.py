"""The CNN for texts: a literal net on padded texts agrees in values and gradients, vectors stay as they are."""

import pytest
import torch
import torch.nn.functional as F

from data import TokenSplit
from data.splits.tokens import CNN_RECEPTIVE_FIELD
from data.text.ragged import Ragged
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
    """[B, 1000] ids -> logits, layer after layer as in `NewsGroup/ng_model.py` of branch `nlp` of focal_calibration."""
    words = F.embedding(ids, net.vectors) if net.embedding is None else net.embedding(ids)
    out = words.transpose(1, 2)
    for place, conv in enumerate(net.convs):
        out = torch.relu(F.conv1d(out, conv.weight, conv.bias))
        if place < 2:
            out = F.max_pool1d(out, 5, stride=1)
    out = torch.max(out, dim=2).values
    return net.fc(net.dropout(torch.relu(net.hidden(out))))


def packed(rows: list[list[int]], max_tokens: int = 1000):
    """The rows as one batch, in their order."""
    split = TokenSplit(
        Ragged.of(rows), torch.zeros(len(rows), dtype=torch.long), ("a",), receptive_field=21, max_tokens=max_tokens
    )
    inputs = split._packed(torch.arange(len(rows)), int(split._padded(split.lengths).sum()))
    return inputs, torch.tensor([[0] * (max_tokens - len(row)) + row for row in rows])


def random_rows(lengths, seed: int = 1, words: int = 50) -> list[list[int]]:
    rng = torch.Generator().manual_seed(seed)
    return [torch.randint(1, words, (length,), generator=rng).tolist() for length in lengths]


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


LENGTHS = [[0], [1], [0, 3, 40], [978, 979], [979], [980], [999], [1000], [0, 1000, 999, 30], [5, 200, 5]]


@pytest.mark.parametrize("lengths", LENGTHS)
def test_packed_texts_give_the_literal_nets_logits(lengths):
    net = make_net()
    inputs, padded = packed(random_rows(lengths))
    torch.testing.assert_close(net(inputs), literal(net, padded), rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        torch.testing.assert_close(net(inputs), literal(net, padded), rtol=1e-12, atol=1e-12)


def test_float32_logits_agree_to_its_rounding():
    net = make_net().float()
    inputs, padded = packed(random_rows([0, 7, 300, 1000]))
    # sums of up to 5 x 16 products, three deep: some 100 roundings of values of about the logits' size
    scale = literal(net, padded).abs().max().item()
    torch.testing.assert_close(net(inputs), literal(net, padded), rtol=0, atol=100 * 2**-24 * max(scale, 1))


@pytest.mark.parametrize("trained_words", [False, True])
def test_gradients_are_the_literal_nets_on_texts_with_repeated_passages(trained_words):
    """A passage of 21 words or more that comes again reaches a maximum twice: it must count once."""
    net = make_net(dropout=0.0)
    if trained_words:
        net.embedding = torch.nn.Embedding(50, 8, padding_idx=0).double()
    passage, other = random_rows([33, 40])
    rows = [passage * 4, other + passage + other + passage, [], [], [3] * 60, passage * 25, *random_rows([5, 400])]
    inputs, padded = packed(rows)
    slope = torch.randn(len(rows), 7, dtype=torch.float64)  # of both signs
    found, expected = (
        torch.autograd.grad((logits * slope).sum(), list(net.parameters()))
        for logits in (net(inputs), literal(net, padded))
    )
    for a, b in zip(found, expected, strict=True):
        assert (a - b).norm() <= 1e-14 * b.norm()


def test_plain_ids_are_padded_in_front():
    net = make_net()
    ids = torch.randint(1, 50, (3, 30))
    assert torch.equal(net(ids), net((ids.flatten(), torch.full((3,), 30))))
    assert torch.equal(net(ids[:, :4]), net(F.pad(ids[:, :4], (17, 0))))
    assert net(torch.zeros(2, 1, dtype=torch.long)).shape == (2, 7)


def test_a_text_sees_nothing_of_its_neighbours():
    net = make_net()
    a, b, c = random_rows([100, 0, 30])
    alone = torch.cat([net(packed([row])[0]) for row in (a, b, c)])
    assert torch.allclose(net(packed([a, b, c])[0]), alone, rtol=1e-12)
    assert torch.allclose(net(packed([c, a, b])[0]), alone[[2, 0, 1]], rtol=1e-12)


def test_less_padding_would_not_do():
    net = make_net()
    rows = random_rows([30] * 64)
    inputs, padded = packed(rows)
    full = literal(net, padded)
    assert torch.allclose(net(inputs), full, rtol=1e-9)
    assert not torch.allclose(net(torch.tensor(rows)), full, rtol=1e-9)


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
    limit = (5 * 100) ** -0.5  # PyTorch's default: uniform up to 1 / sqrt(inputs)
    assert 0.95 * limit < net.convs[0].weight.abs().max() <= limit
    assert 0 < net.convs[0].bias.abs().max() <= limit


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
