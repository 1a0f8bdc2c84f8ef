"""The snippets of docs/trainers.md, and the run of our own loop that they are compared with."""

import re
from pathlib import Path

import torch
from torch import Tensor

from data import load
from data.splits.split import generator
from experiments.grid import Run
from experiments.records.provenance import ROOT
from experiments.training.loop import Training
from experiments.training.session import Session
from losses import AdaFocalLoss
from tests.support.training import silent

PAGE = ROOT / "docs" / "trainers.md"
EPOCHS, BATCH = 3, 16
# The demo's recipe in a second, with lambda 1 and a gamma update an epoch, as in the snippets. 101 samples are odd, for
# two processes to share.
FEW = (
    f"epochs={EPOCHS}",
    "milestones=99",
    f"batch_size={BATCH}",
    "update_every=0",
    "loss_options.lam=1",
    "data_options.train_size=90",
    "data_options.val_size=101",
    "data_options.test_size=20",
)


def snippet(library: str) -> str:
    """The code block of the page that imports a library."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (found,) = [code for code in blocks if f"from {library}" in code]
    return found


def own_loop(folder: Path) -> Training:
    """Our own loop, at its beginning: BERT-mini on a few topics."""
    run = Run.make("demo", "topics", "bert-mini", "adafocal", 0, FEW)
    splits = load("topics", seed=run.recipe.split_seed, **run.recipe.data_options)
    return Training(run, splits, folder, Session(runs=folder, say=silent))


class Order(torch.utils.data.Sampler):
    """The training samples in the order that our own loop takes them, epoch by epoch."""

    def __init__(self, size: int, seed: int = 0):
        self.size, self.seed, self.epoch = size, seed, 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self):
        yield from torch.randperm(self.size, generator=generator(self.seed, self.epoch, stream=0)).tolist()
        self.epoch += 1


def padded(rows: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    """[B, L] ids, padded with 0 at the end, and [B] labels."""
    ids, labels = zip(*rows, strict=True)
    return torch.nn.utils.rnn.pad_sequence(list(ids), batch_first=True), torch.tensor(labels)


def keep_updates(loss: AdaFocalLoss) -> list[tuple[Tensor, Tensor]]:
    """A list that from now on gets the logits and labels of every update."""
    kept, update = [], loss.update

    def update_and_keep(logits, labels):
        kept.append((torch.as_tensor(logits).clone(), torch.as_tensor(labels).clone()))
        return update(logits, labels)

    loss.update = update_and_keep
    return kept


def by_hand(updates: list[tuple[Tensor, Tensor]]) -> AdaFocalLoss:
    """A fresh loss that has been shown the same."""
    loss = AdaFocalLoss()
    for logits, labels in updates:
        loss.update(logits, labels)
    return loss


ROUNDING = 1e-3  # of gammas and logits after a few steps in float32; another order of samples moves them further


def updated_as_by_hand(theirs) -> None:
    """Assert that a trainer's loss is, bit for bit, what `update` makes of the logits that the trainer predicted."""
    loss = by_hand(theirs.updates)
    assert torch.equal(theirs.loss.gammas, loss.gammas)
    assert torch.equal(theirs.loss.edges, loss.edges)
    assert len(loss.gammas.unique()) > 1


def updated_with_all(val, theirs) -> None:
    """Assert that every update saw the whole validation set, in its order."""
    for logits, labels in theirs.updates:
        assert logits.shape == (101, 20)
        assert torch.equal(labels, val.labels)


def ended_as_our_own(ours, theirs) -> None:
    """Assert that a trainer came to the logits and gammas of our own loop."""
    last, _ = theirs.updates[-1]
    assert torch.allclose(last, ours.val_logits, atol=ROUNDING)
    assert torch.allclose(theirs.loss.gammas, ours.loss.gammas, atol=ROUNDING)
