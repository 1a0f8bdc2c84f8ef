"""AdaFocal in transformers.Trainer, with the snippet of docs/trainers.md as it stands."""

import copy
from types import SimpleNamespace

import pytest
import torch

from tests.support import trainers

STEPS = 6  # an epoch: 90 samples
pytest.importorskip("accelerate", reason="transformers.Trainer needs it")


def arguments(folder, **more):
    from transformers import TrainingArguments

    settings = {
        "eval_strategy": "epoch",
        "save_strategy": "no",
        "num_train_epochs": trainers.EPOCHS,
        "per_device_train_batch_size": trainers.BATCH,
        "per_device_eval_batch_size": 32,
        "learning_rate": 3e-3,
        "lr_scheduler_type": "constant",
        "weight_decay": 0.01,
        "max_grad_norm": 1.0,
        "use_cpu": True,
        "report_to": [],
        "disable_tqdm": True,
    }
    return TrainingArguments(str(folder), **settings | more)


def collate(rows):
    ids, labels = trainers.padded(rows)
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": labels}


def trained(ours, folder, own_order=False, resumed=None, **more) -> SimpleNamespace:
    """What the snippet makes, trained from a copy of our model, in our order of samples or in the Trainer's own.

    With `resumed`, the folder of a checkpoint of its second epoch, it goes on from there as the page says.
    """
    names = {"model": copy.deepcopy(ours.model.encoder), "args": arguments(folder, **more)}
    names |= {"train": ours.train, "val": ours.val}
    exec(trainers.snippet("transformers"), names)
    names["trainer"].data_collator = collate
    order = trainers.Order(len(ours.train))
    if not own_order:
        names["trainer"]._get_train_sampler = lambda *_: order
    names["updates"] = trainers.keep_updates(names["loss"])
    if resumed:
        order.epoch = 2
        names["loss"].load_state_dict(torch.load(f"{resumed}/adafocal.pt"))
    names["trainer"].train(resume_from_checkpoint=resumed)
    return SimpleNamespace(**names)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where `theirs` leaves its checkpoints."""
    return tmp_path_factory.mktemp("theirs")


@pytest.fixture(scope="module")
def theirs(fresh, folder):
    """The Trainer after its last epoch."""
    return trained(fresh, folder, save_strategy="epoch")


def test_gammas_are_what_update_makes_of_the_predictions_by_hand(theirs):
    assert len(theirs.updates) == trainers.EPOCHS
    trainers.updated_as_by_hand(theirs)


def test_an_update_sees_the_whole_validation_set(theirs):
    trainers.updated_with_all(theirs.val, theirs)


def test_gammas_are_those_of_our_own_loop(ours, theirs):
    trainers.ended_as_our_own(ours, theirs)


def test_the_trainers_own_order_comes_to_other_gammas(fresh, theirs, tmp_path):
    other = trained(fresh, tmp_path, own_order=True)
    assert not torch.allclose(theirs.loss.gammas, other.loss.gammas, atol=trainers.ROUNDING)
    trainers.updated_as_by_hand(other)


def test_accumulated_batches_are_one_batch(fresh, theirs, tmp_path):
    # 90 samples: five batches of 16 and one of 10, whose halves are of 8 and 2
    halves = trained(fresh, tmp_path, per_device_train_batch_size=trainers.BATCH // 2, gradient_accumulation_steps=2)
    assert torch.allclose(theirs.loss.gammas, halves.loss.gammas, atol=trainers.ROUNDING)


def test_evaluating_another_set_afterwards_moves_no_gamma(fresh, theirs):
    before = theirs.loss.gammas.clone()
    theirs.trainer.evaluate(fresh.test)
    assert len(theirs.update.labels) == len(fresh.test)
    assert torch.equal(theirs.loss.gammas, before)


def test_every_checkpoint_has_the_gammas_of_its_epoch(theirs, folder):
    checkpoints = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    assert len(checkpoints) == trainers.EPOCHS
    for epoch, checkpoint in enumerate(checkpoints, 1):
        state = torch.load(checkpoint / "adafocal.pt", weights_only=True)
        assert torch.equal(state["gammas"], trainers.by_hand(theirs.updates[:epoch]).gammas)


def test_a_training_that_goes_on_from_a_checkpoint_ends_the_same(fresh, theirs, folder, tmp_path):
    second = folder / f"checkpoint-{2 * STEPS}"
    rest = trained(fresh, tmp_path, resumed=str(second))
    assert len(rest.updates) == trainers.EPOCHS - 2
    assert torch.allclose(theirs.loss.gammas, rest.loss.gammas, atol=trainers.ROUNDING)
