"""Generated texts of 20 overlapping topics: the demo's text task, with nothing to fetch."""

from pathlib import Path

import numpy as np
import torch

from data.splits.split import Splits
from data.splits.tokens import CNN_RECEPTIVE_FIELD, TokenSplit
from data.text.ragged import Ragged

NUM_TOPICS = 20
SEED = 20220613  # topics and documents are the dataset: the same whatever the split's seed
COMMON_WORDS = 50  # the commonest belong to no topic
CONTENT_WORDS, TOPIC_WORDS = 120, 12  # each topic has 12 of the 120 words, so that a word has 2 topics on average


def load(
    root: Path,
    seed: int,
    download: bool,
    *,
    train_size: int = 1500,
    val_size: int = 1000,
    test_size: int = 1000,
    vocab_size: int = 1500,
    min_tokens: int = 10,
    max_tokens: int = 40,
    topic_share: float = 0.5,
    other_share: float = 0.25,
    receptive_field: int = CNN_RECEPTIVE_FIELD,
) -> Splits:
    """Synthetic documents: a bag of words of a topic, of another one, and of none.

    A document's length and its two topics are uniform; the first is its label. Each token is drawn on its own: with
    probability `topic_share` from the first topic's words, `other_share` from the second's, else from the whole
    vocabulary by Zipf's law. The Bayes error at the defaults is 10 %: a perfect classifier would be as wrong, and no
    more confident.

    Args:
        root: unused; the documents are generated.
        seed: of the split.
        download: unused.
        train_size: training documents.
        val_size: validation documents.
        test_size: test documents.
        vocab_size: words, at least 170.
        min_tokens: the shortest document's length, >= 1.
        max_tokens: the longest document's length.
        topic_share: share of tokens from the first topic, > other_share.
        other_share: share of tokens from the second topic, >= 0.
        receptive_field: see `TokenSplit`.

    Raises:
        ValueError: options out of range.
    """
    for option, size in (("train_size", train_size), ("val_size", val_size), ("test_size", test_size)):
        if size < 1:
            raise ValueError(f"{option} must be >= 1, got {size}")
    if not 1 <= min_tokens <= max_tokens:
        raise ValueError(f"expected 1 <= min_tokens <= max_tokens, got {min_tokens} and {max_tokens}")
    total = train_size + val_size + test_size
    words = word_probabilities(vocab_size)
    documents, labels = _draw(words, total, min_tokens, max_tokens, topic_share, other_share)
    order = np.random.RandomState(seed).permutation(total)
    parts = np.split(order, [train_size, train_size + val_size])
    classes = tuple(f"synthetic topic {k}" for k in range(NUM_TOPICS))
    vocab = tuple(f"word{i}" for i in range(1, vocab_size + 1))

    def split(index: np.ndarray) -> TokenSplit:
        index = np.sort(index)
        places, own = torch.from_numpy(index), torch.from_numpy(labels[index])
        options = {"max_tokens": max_tokens, "receptive_field": receptive_field, "vocab": vocab}
        return TokenSplit(documents.take(index), own, classes, places, **options)

    return Splits(*map(split, parts))


def word_probabilities(vocab_size: int) -> np.ndarray:
    """[21, V] probabilities of the words: of each topic, and last of no topic."""
    if vocab_size < COMMON_WORDS + CONTENT_WORDS:
        raise ValueError(f"vocab_size must be >= {COMMON_WORDS + CONTENT_WORDS}, got {vocab_size}")
    rng = np.random.default_rng([SEED, 0])
    zipf = 1 / np.arange(1, vocab_size + 1)
    content = rng.choice(np.arange(COMMON_WORDS, vocab_size), CONTENT_WORDS, replace=False)
    words = np.zeros((NUM_TOPICS + 1, vocab_size))
    for topic in range(NUM_TOPICS):
        own = rng.choice(content, TOPIC_WORDS, replace=False)
        words[topic, own] = 1 / np.arange(2, TOPIC_WORDS + 2)
    words[-1] = zipf
    return words / words.sum(axis=1, keepdims=True)


def _draw(words, total, min_tokens, max_tokens, topic_share, other_share) -> tuple[Ragged, np.ndarray]:
    """`total` documents in ids 1..V and their labels; more documents only add to them."""
    if not 0 <= other_share < topic_share <= 1 - other_share:
        raise ValueError(
            f"expected 0 <= other_share < topic_share <= 1 - other_share, got {other_share} and {topic_share}"
        )
    rngs = [np.random.default_rng([SEED, stream]) for stream in range(1, 6)]
    lengths = rngs[0].integers(min_tokens, max_tokens + 1, total)
    labels = rngs[1].integers(0, NUM_TOPICS, total)
    others = (labels + rngs[2].integers(1, NUM_TOPICS, total)) % NUM_TOPICS
    place = rngs[3].random((total, max_tokens))  # which of the three a token comes from
    source = np.select([place < topic_share, place < topic_share + other_share], [labels[:, None], others[:, None]], 20)
    # Row s of the cumulative probabilities lies in (s, s + 1]: one sorted array for all sources.
    cumulative = (words.cumsum(axis=1) + np.arange(len(words))[:, None]).ravel()
    ids = cumulative.searchsorted(source + rngs[4].random((total, max_tokens)), side="right") - source * words.shape[1]
    ids = ids.clip(0, words.shape[1] - 1)  # rounding may leave the last sum below 1
    inside = np.arange(max_tokens) < lengths[:, None]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Ragged((ids[inside] + 1).astype(np.int32), offsets), labels


LOADERS = {"topics": load}
