"""A training step of the newsgroups CNN: texts packed, padded in front to 1,000 tokens, and sorted by length."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import models
from data import TokenSplit
from data.splits.tokens import CNN_RECEPTIVE_FIELD, Packed
from data.text.ragged import Ragged
from experiments.bench.timing import Row, side_by_side

WORDS, DIMENSION, TOKENS, BATCH = 20_000, 100, 1000, 128
POOL = 50  # batches that are sorted by length together


def texts(count: int) -> TokenSplit:
    """Random texts whose lengths are spread like those of 20 Newsgroups: 218 tokens on average, at most 1,000."""
    rng = np.random.default_rng(0)
    lengths = np.exp(rng.normal(4.9, 0.95, count)).astype(int).clip(0, TOKENS)
    rows = [rng.integers(1, WORDS, length) for length in lengths]
    labels = torch.from_numpy(rng.integers(0, 20, count))
    classes = tuple(map(str, range(20)))
    return TokenSplit(Ragged.of(rows), labels, classes, max_tokens=TOKENS, receptive_field=CNN_RECEPTIVE_FIELD)


def padded(packed: Packed, width: int) -> Tensor:
    """[B, width] ids, padded in front."""
    rows = [ids[-width:] for ids in packed.ids.split(packed.lengths.tolist())]
    return torch.stack([F.pad(ids, (width - len(ids), 0)) for ids in rows])


def literal(net: nn.Module, ids: Tensor) -> Tensor:
    """The same net on padded ids [B, L], by torch's own convolutions of one dimension."""
    features = F.embedding(ids, net.vectors).transpose(1, 2)
    for place, conv in enumerate(net.convs):
        features = torch.relu(F.conv1d(features, conv.weight, conv.bias))
        features = F.max_pool1d(features, 5, stride=1) if place < 2 else features
    return net.fc(net.dropout(torch.relu(net.hidden(features.amax(dim=2)))))


def steps(net: nn.Module, forward: Callable, batches: list[tuple]) -> Callable[[], None]:
    """Forward and backward pass of every batch (inputs, labels)."""

    def run() -> None:
        for inputs, labels in batches:
            net.zero_grad()
            F.cross_entropy(forward(inputs), labels).backward()

    return run


def rows(device: torch.device, batches: int = 2, rounds: int = 3) -> Iterator[Row]:
    """Packed steps against padded and sorted ones."""
    torch.manual_seed(0)
    net = models.build("cnn", "newsgroups", vectors=torch.randn(WORDS, DIMENSION)).to(device)
    split = texts(POOL * BATCH).to(device)
    chance = [batch for batch, _ in zip(split.train_batches(BATCH, seed=0, epoch=0), range(batches), strict=False)]
    packed = steps(net, net, [(batch.inputs, batch.labels) for batch in chance])
    in_front = [(padded(batch.inputs, TOKENS), batch.labels) for batch in chance]
    # Sorted batches of one pool, each as wide as its longest text: evenly spread ones stand for all.
    by_length = list(split.eval_batches(BATCH))
    chosen = [by_length[(2 * i + 1) * len(by_length) // (2 * batches)] for i in range(batches)]
    sorted_batches = [(padded(batch.inputs, int(batch.inputs.lengths.max())), batch.labels) for batch in chosen]
    group = f"training, the newsgroups CNN, {batches} batches of {BATCH} texts"
    for against, theirs in (("padded in front to 1,000", in_front), ("sorted by length, padded", sorted_batches)):
        ours, other = side_by_side(packed, steps(net, lambda ids: literal(net, ids), theirs), rounds)
        yield Row(group, "packed random batches", ours, against, other)
