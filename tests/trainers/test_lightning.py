"""AdaFocal in Lightning, with the snippet of docs/trainers.md as it stands."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import DataLoader

from experiments.training.optimizer import build_optimizer
from tests.support import trainers

pytestmark = pytest.mark.filterwarnings("ignore:The .* does not have many workers", "ignore:.*LeafSpec")


def fit(ours, folder, own_order=False, **more) -> SimpleNamespace:
    """The snippet's module and its trainer, trained from a copy of our model, in our order of samples or shuffled."""
    lightning = pytest.importorskip("lightning")  # here: it takes ten seconds to import, which collecting need not
    names = {}
    exec(trainers.snippet("lightning"), names)

    class Ready(names["Classifier"]):
        def configure_optimizers(self):
            return build_optimizer(ours.recipe, self.model)

    module = Ready(copy.deepcopy(ours.model))
    updates = trainers.keep_updates(module.loss)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=trainers.EPOCHS,
        gradient_clip_val=1.0,
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **more,
    )
    order = {"shuffle": True} if own_order else {"sampler": trainers.Order(len(ours.train))}
    train = DataLoader(ours.train, batch_size=trainers.BATCH, collate_fn=trainers.padded, **order)
    val = DataLoader(ours.val, batch_size=32, collate_fn=trainers.padded)
    trainer.fit(module, train, val)
    return SimpleNamespace(module=module, loss=module.loss, trainer=trainer, updates=updates, val=val)


@pytest.fixture(scope="module")
def theirs(fresh, tmp_path_factory):
    """Lightning's trainer after its last epoch."""
    return fit(fresh, tmp_path_factory.mktemp("theirs"))


def test_gammas_are_what_update_makes_of_the_predictions_by_hand(theirs):
    assert len(theirs.updates) == trainers.EPOCHS  # and none of the sanity check before
    trainers.updated_as_by_hand(theirs)


def test_an_update_sees_the_whole_validation_set(theirs, fresh):
    trainers.updated_with_all(fresh.val, theirs)


def test_gammas_are_those_of_our_own_loop(ours, theirs):
    trainers.ended_as_our_own(ours, theirs)


def test_another_order_comes_to_other_gammas(fresh, theirs, tmp_path):
    other = fit(fresh, tmp_path, own_order=True)
    assert not torch.allclose(theirs.loss.gammas, other.loss.gammas, atol=trainers.ROUNDING)
    trainers.updated_as_by_hand(other)


def test_validating_afterwards_moves_no_gamma(theirs):
    before = theirs.loss.gammas.clone()
    theirs.trainer.validate(theirs.module, theirs.val, verbose=False)
    assert torch.equal(theirs.loss.gammas, before)


def test_a_checkpoint_has_the_gammas(theirs, tmp_path):
    theirs.trainer.save_checkpoint(tmp_path / "module.ckpt")
    state = torch.load(tmp_path / "module.ckpt", weights_only=True)["state_dict"]
    assert torch.equal(state["loss.gammas"], theirs.loss.gammas)
    assert torch.equal(state["loss.edges"], theirs.loss.edges)
