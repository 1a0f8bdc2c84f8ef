"""Which samples are held out: functions of the split's seed alone."""

import numpy as np
import torch
from torch import Tensor


def uniform(num_samples: int, val_size: int, seed: int, train_size: int | None = None) -> tuple[Tensor, Tensor]:
    """Hold out a uniform sample: the head of a shuffled list, as in the code of Mukhoti et al. 2020.

    Over the official sample order of CIFAR this gives their very split for the same seed.

    Args:
        num_samples: N.
        val_size: samples to hold out, in [1, N - 1].
        seed: >= 0.
        train_size: samples to train on, in [1, N - val_size]; None takes all that are not held out.

    Returns:
        Indices of the training and of the held-out samples, int64, each ascending.

    Raises:
        ValueError: a size out of range.
    """
    check_seed(seed)
    check_size("val_size", val_size, num_samples)
    if train_size is not None:
        check_size("train_size", train_size, num_samples - val_size + 1)
    end = None if train_size is None else val_size + train_size
    # The legacy generator: its stream is frozen by NumPy, and it is the one their code uses.
    order = torch.from_numpy(np.random.RandomState(seed).permutation(num_samples))
    return order[val_size:end].sort().values, order[:val_size].sort().values


def stratified(labels: Tensor, val_size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Hold out `val_size` samples with every class in proportion; arguments and result as `uniform`.

    Args:
        labels: [N] int64.
        val_size: samples to hold out, in [1, N - 1].
        seed: >= 0.
    """
    from sklearn.model_selection import train_test_split  # takes a second to import, and few datasets need it

    check_seed(seed)
    check_size("val_size", val_size, len(labels))
    try:
        train, val = train_test_split(
            np.arange(len(labels)), test_size=val_size, random_state=seed, stratify=labels.numpy()
        )
    except ValueError as error:
        raise ValueError(
            f"cannot hold out {val_size} of {len(labels)} samples: each of the {len(labels.unique())} classes needs a "
            "sample in either part"
        ) from error
    return torch.from_numpy(np.sort(train)), torch.from_numpy(np.sort(val))


def check_seed(seed: int) -> None:
    """Raise ValueError unless 0 <= seed < 2^32, which every generator takes: NumPy's legacy one no more."""
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be >= 0, got {seed}" if seed < 0 else f"seed must be < 2^32 = {2**32}, got {seed}")


def check_size(option: str, size: int, limit: int) -> None:
    """Raise ValueError unless 1 <= size < limit, the number of samples it is taken from."""
    if not 1 <= size < limit:
        raise ValueError(f"{option} must be at least 1 and below the {limit} samples it is taken from, got {size}")
