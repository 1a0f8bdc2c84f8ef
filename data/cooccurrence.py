"""Word vectors made from the training documents alone, for machines that GloVe's file does not reach.

    python -m data.cooccurrence newsgroups --data-root ~/datasets

writes `ppmi.newsgroups.100d.split0.txt` into the data root, for `--set data_options.vectors=` that name. They cover
every word that the documents keep when they are cut, but come from 15,098 documents where GloVe's come from six billion
words.
"""

import argparse
import os
import sys

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from .ragged import Ragged
from .registry import data_root, load

WINDOW = 5  # words on either side that count as neighbours
SMOOTHING = 0.75  # power of the neighbours' frequencies
NORM = 5.0  # mean length of the vectors, about that of GloVe's


def ppmi(documents: Ragged, vocab_size: int, window: int = WINDOW) -> scipy.sparse.csr_matrix:
    """Positive pointwise mutual information of words and their neighbours, max(0, ln P(w, c) / (P(w) P(c)^0.75)).

    Neighbours at a distance d <= `window` in the same document count 1 / d; P(c)^0.75 is normalised to a sum of 1.

    Source: Levy, Goldberg and Dagan 2015, Sections 2.1 and 3.1.

    Args:
        documents: rows of word ids in [0, V).
        vocab_size: V.
        window: the largest distance, >= 1.

    Returns:
        [V, V] float64, sparse, in nats.
    """
    of_document = np.repeat(np.arange(len(documents)), documents.lengths)
    counts = scipy.sparse.csr_matrix((vocab_size, vocab_size))
    for distance in range(1, window + 1):
        inside = of_document[:-distance] == of_document[distance:]
        pairs = documents.flat[:-distance][inside], documents.flat[distance:][inside]
        weights = np.full(len(pairs[0]), 1 / distance)
        once = scipy.sparse.coo_matrix((weights, pairs), shape=counts.shape).tocsr()
        counts = counts + once + once.T
    of_word = np.asarray(counts.sum(axis=1)).ravel()
    neighbour = of_word**SMOOTHING
    neighbour /= max(neighbour.sum(), np.finfo(float).tiny)
    counts = counts.tocoo()
    information = np.log(counts.data / (of_word[counts.row] * neighbour[counts.col]))
    positive = information > 0
    entries = information[positive], (counts.row[positive], counts.col[positive])
    return scipy.sparse.csr_matrix(entries, shape=counts.shape)


def word_vectors(documents: Ragged, vocab_size: int, dimension: int = 100, window: int = WINDOW) -> np.ndarray:
    """Vectors U S^0.5 of the truncated singular value decomposition of `ppmi`.

    Args:
        documents: rows of word ids in [0, V).
        vocab_size: V.
        dimension: D, in [1, V).
        window: see `ppmi`.

    Returns:
        [V, D] float64 of mean length 5; zeros for words without a neighbour.

    Raises:
        ValueError: a dimension out of range.
    """
    if not 1 <= dimension < vocab_size:
        raise ValueError(f"dimension must be from 1 to {vocab_size - 1}, one below the words, got {dimension}")
    matrix = ppmi(documents, vocab_size, window)
    u, s, _ = scipy.sparse.linalg.svds(matrix, k=dimension, v0=np.ones(vocab_size))  # v0: the same vectors every time
    vectors = u * np.sqrt(s)
    lengths = np.linalg.norm(vectors, axis=1)
    return vectors * (NORM / max(lengths.mean(), np.finfo(float).tiny))


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit status is 0, or 2 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m data.cooccurrence", description=__doc__.partition("\n")[0])
    parser.add_argument("name", metavar="NAME", choices=("newsgroups", "newsgroups-bydate"), help="%(choices)s")
    parser.add_argument("--data-root", metavar="DIR", help="default: $ADAFOCAL_DATA, else ./datasets")
    parser.add_argument("--seed", type=int, default=0, help="of the split whose training documents are read")
    parser.add_argument("--dimension", type=int, default=100, help="of the vectors (default: %(default)s)")
    args = parser.parse_args(argv)
    root = data_root(args.data_root)
    try:
        train = load(args.name, root=root, seed=args.seed, vectors=None).train
        documents = Ragged(train.tokens[:-1].numpy() - 1, np.append(train.starts, len(train.tokens) - 1))
        vectors = word_vectors(documents, len(train.vocab), args.dimension)
        path = root / f"ppmi.{args.name}.{args.dimension}d.split{args.seed}.txt"
        lines = (
            f"{word} {' '.join(f'{value:.5f}' for value in vector)}\n"
            for word, vector in zip(train.vocab, vectors, strict=True)
            if vector.any()
        )
        half = path.with_suffix(".tmp")
        half.write_text("".join(lines), encoding="utf-8")
        os.replace(half, path)
    except (ValueError, OSError) as error:
        print(f"python -m data.cooccurrence: {error}", file=sys.stderr)
        return 2
    covered = int(vectors.any(axis=1).sum())
    print(f"{path}: {covered:,} of {len(vectors):,} words; train with --set data_options.vectors={path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
