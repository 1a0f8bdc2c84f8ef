"""The generated topics: fixed, overlapping, and hard to a known degree."""

import numpy as np
import pytest
import torch

from data import load
from data.sets import topics


def test_sizes_lengths_and_names():
    splits = load("topics")
    assert [len(split) for split in splits] == [1500, 1000, 1000]
    train = splits.train
    assert train.num_classes == 20
    assert all(name.startswith("synthetic topic") for name in train.classes)
    assert len(train.vocab) == 1500
    assert train.vectors is None
    assert train.note == ""
    lengths = torch.cat([split.lengths for split in splits])
    assert (lengths.min(), lengths.max()) == (10, 40)
    assert train.tokens[:-1].min() >= 1
    assert train.tokens.max() <= 1500
    assert torch.bincount(train.labels, minlength=20).min() > 25


def test_documents_are_the_same_whatever_the_seed_and_the_sizes():
    def documents(**options):
        return {
            int(split.index[i]): (split[i][0].tolist(), split[i][1])
            for split in load("topics", **options)
            for i in range(len(split))
        }

    few = documents(train_size=30, val_size=20, test_size=50)
    assert documents(train_size=30, val_size=20, test_size=50, seed=1) == few
    more = documents(train_size=60, val_size=40, test_size=100)
    assert {i: more[i] for i in few} == few
    a, b = load("topics"), load("topics", seed=1)
    assert a.train.fingerprint == load("topics").train.fingerprint
    assert a.train.fingerprint != b.train.fingerprint
    assert not set(a.train.index.tolist()) & set(a.test.index.tolist())


def test_bayes_error():
    """The exact posterior of every test document, summed over the second topic, errs as the docstring says."""
    words = topics.word_probabilities(1500)
    np.testing.assert_allclose(words.sum(axis=1), 1)
    mixtures = np.array(
        [0.5 * words[k] + 0.25 * words[j] + 0.25 * words[20] for k in range(20) for j in range(20) if j != k]
    )  # [380, V]
    test = load("topics").test
    counts = np.zeros((len(test), 1500))
    for i in range(len(test)):
        np.add.at(counts[i], test[i][0].numpy() - 1, 1)
    likelihood = (counts @ np.log(mixtures).T).reshape(len(test), 20, 19)
    posterior = np.exp(likelihood - likelihood.max(axis=(1, 2), keepdims=True)).sum(axis=2)
    posterior /= posterior.sum(axis=1, keepdims=True)
    error = (posterior.argmax(axis=1) != test.labels.numpy()).mean()
    assert error == pytest.approx(0.10, abs=0.02)
    assert 1 - posterior.max(axis=1).mean() == pytest.approx(error, abs=0.02)  # and it is calibrated


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_size": 0}, "train_size must be >= 1, got 0"),
        ({"min_tokens": 0}, "1 <= min_tokens <= max_tokens, got 0 and 40"),
        ({"min_tokens": 90}, "got 90 and 40"),
        ({"vocab_size": 100}, "vocab_size must be >= 170, got 100"),
        ({"other_share": 0.5}, "0 <= other_share < topic_share"),
        ({"topic_share": 0.9}, "topic_share <= 1 - other_share"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        load("topics", **options)
