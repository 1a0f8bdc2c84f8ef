import dataclasses

import pytest

from experiments import grid
from experiments.grid import Run
from experiments.methods import METHODS, TABLE_METHODS
from experiments.overrides import normalise, override
from experiments.recipes import recipe
from experiments.scales import SCALES


def test_cifar_recipe_is_the_published_one():
    made = recipe("cifar10", "resnet50", "adafocal", "paper")
    assert (made.epochs, made.batch_size, made.lr, made.milestones, made.lr_factor) == (350, 128, 0.1, (150, 250), 0.1)
    assert (made.momentum, made.nesterov, made.weight_decay) == (0.9, False, 5e-4)
    assert (made.reduction, made.clip_norm, made.update_every) == ("sum", 2.0, 0)
    assert (made.keep, made.drop_last, made.split_seed) == ("last", False, 1)
    assert made.data_options == {"val_size": 5000, "crop_padding": 4, "flip": True}
    assert made.loss_options == {
        "num_bins": 15, "lam": 1.0, "gamma_init": 1.0, "gamma_max": 20.0, "gamma_min": -2.0, "switch_threshold": 0.2
    }  # fmt: skip


@pytest.mark.parametrize(
    ("dataset", "model", "method", "name", "value"),
    [
        ("cifar10", "wrn26-10", "brier", "epochs", 550),
        ("cifar10", "resnet50", "brier", "epochs", 350),
        ("cifar100", "resnet110", "brier", "epochs", 430),
        ("cifar100", "resnet110", "ce", "epochs", 350),
        ("tiny-imagenet", "resnet50", "brier", "lr", 0.035),
        ("tiny-imagenet", "resnet50", "ce", "lr", 0.1),
        ("tiny-imagenet", "resnet110", "ce", "batch_size", 64),
        ("tiny-imagenet", "resnet110", "ce", "milestones", (40, 60)),
        ("cifar10", "resnet50", "brier", "reduction", "mean"),
        ("cifar10", "resnet50", "mmce", "reduction", "sum"),
        ("imagenet", "resnet50", "ce", "reduction", "sum"),
        ("imagenet", "resnet50", "ce", "lr", 0.01),
        ("imagenet", "resnet50", "ce", "batch_size", 128),
        ("imagenet", "resnet50", "ce", "weight_decay", 1e-4),
        ("imagenet", "resnet50", "ce", "milestones", (30, 60)),
        ("imagenet", "resnet50", "ce", "split_seed", 1),
        ("tiny-imagenet", "resnet50", "ce", "data_options", {"val_from": 450, "crop_padding": 4, "flip": True}),
        ("cifar100", "resnet50", "adafocal", "lr", 0.1),
    ],
)
def test_exceptions(dataset, model, method, name, value):
    assert getattr(recipe(dataset, model, method, "paper"), name) == value


def test_quick_is_a_fifth_of_the_paper():
    made = recipe("cifar10", "resnet50", "ce", "quick")
    assert (made.epochs, made.milestones) == (70, (30, 50))
    assert dataclasses.replace(made, epochs=350, milestones=(150, 250), scale="paper") == recipe(
        "cifar10", "resnet50", "ce", "paper"
    )


@pytest.mark.parametrize("scale", SCALES)
def test_every_cell_of_the_grid_has_a_recipe(scale):
    runs = grid.runs_of("table1", scale)
    assert len(runs) == len(set(runs)) == len(SCALES[scale].pairs) * len(TABLE_METHODS) * SCALES[scale].seeds
    for run in runs:
        assert run.recipe.epochs > 0
        assert all(milestone < run.recipe.epochs for milestone in run.recipe.milestones)


def test_only_the_loss_differs_between_the_methods_of_a_pair():
    base = recipe("cifar100", "resnet50", "ce", "paper")
    for method in METHODS:
        made = recipe("cifar100", "resnet50", method, "paper")
        differing = {f.name for f in dataclasses.fields(made) if getattr(made, f.name) != getattr(base, f.name)}
        assert differing <= {"method", "loss", "loss_options", "reduction"}


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (("cifar11", "resnet50", "ce", "paper"), "cifar10, cifar100"),
        (("cifar10", "resnet51", "ce", "paper"), "resnet50"),
        (("cifar10", "resnet50", "focal", "paper"), "flsd53"),
        (("cifar10", "resnet50", "ce", "big"), ", ".join(SCALES)),
        (("cifar10", "resnet50", "ce", "demo"), "digits"),
        (("digits", "resnet8", "ce", "paper"), "cifar10"),
    ],
)
def test_unknown_names_list_the_choices(names, listed):
    with pytest.raises(ValueError, match=listed):
        recipe(*names)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("epochs=4", "epochs", 4),
        ("lr=1e-2", "lr", 0.01),
        ("nesterov=true", "nesterov", True),
        ("milestones=2,3", "milestones", (2, 3)),
        ("milestones=", "milestones", ()),
        ("reduction=mean", "reduction", "mean"),
    ],
)
def test_override(text, name, value):
    assert getattr(override(recipe("cifar10", "resnet50", "ce", "paper"), text), name) == value


def test_override_an_option_and_keep_the_others():
    made = recipe("cifar10", "resnet50", "adafocal", "paper", ("loss_options.gamma_max=inf", "loss_options.lam=2"))
    assert made.loss_options["gamma_max"] == float("inf")
    assert made.loss_options["lam"] == 2
    assert made.loss_options["switch_threshold"] == 0.2


@pytest.mark.parametrize("text", ["false", "False", "FALSE"])
def test_an_option_is_switched_off_in_any_case(text):
    made = recipe("cifar10", "resnet50", "adafocal", "paper", (f"loss_options.inverse_focal={text}",))
    assert made.loss_options["inverse_focal"] is False
    assert recipe("cifar10", "resnet50", "ce", "paper", (f"data_options.flip={text}",)).data_options["flip"] is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs", "KEY=VALUE"),
        ("epoch=4", "KEY one of epochs, batch_size"),
        ("epochs=four", "epochs needs a value like 350"),
        ("nesterov=maybe", "nesterov"),
        ("dataset=cifar100", "KEY one of"),
        ("loss_options=3", "loss_options.NAME"),
        ("epochs.x=3", "KEY one of"),
        ("loss_options.gamm_max=3", "gamma_max"),
        ("loss_options.switch_threshold=5", "gamma_min"),
        ("epochs=0", "epochs must be >= 1"),
        ("lr=-1", "lr must be > 0"),
        ("lr=nan", "lr must be > 0"),
        ("clip_norm=-1", "clip_norm must be >= 0"),
        ("optimizer=adagrad", "sgd"),
        ("keep=first", "last, best"),
        ("reduction=none", "one cannot train"),
        ("loss_options.inverse_focal=no", "True or False"),
        ("loss_options.reduction=mean", "--set reduction"),
        ("data_options.seed=3", "no option seed: .* split_seed"),
        ("data_options.filp=false", "no option filp: choose from train_size, val_size"),
    ],
)
def test_bad_overrides_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        recipe("cifar10", "resnet50", "adafocal", "paper", (text,))


def test_equal_settings_have_equal_folders():
    plain = recipe("cifar10", "resnet50", "ce", "paper")
    assert normalise(plain, ("lr=0.01", "epochs=04")) == normalise(plain, ("epochs=4", "lr=1e-2"))
    assert normalise(plain, ("epochs=9", "epochs=4")) == ("epochs=4",)
    assert normalise(plain, ("epochs=350",)) == ()
    assert normalise(plain, ("loss_options.lam=2.0",)) == normalise(plain, ("loss_options.lam=2",))
    assert normalise(plain, ("lr=1.0",)) == ("lr=1",)
    assert normalise(plain, ("lr=1e16",)) == ("lr=1e16",)
    assert normalise(plain, ("data_options.vectors=None",)) == ("data_options.vectors=None",)  # the default is another
    with pytest.raises(ValueError, match="folder name"):
        normalise(plain, ("data_options.name=../../x",))


def test_an_overridden_run_has_a_folder_of_its_own():
    run = Run.make("paper", "cifar10", "resnet50", "adafocal", 3, ("epochs=4",))
    assert str(run) == "paper/cifar10/resnet50/adafocal+epochs=4/seed3"
    assert str(Run.make("paper", "cifar10", "resnet50", "adafocal", 3)) == "paper/cifar10/resnet50/adafocal/seed3"
    with pytest.raises(ValueError, match="seed must be >= 0"):
        Run.make("paper", "cifar10", "resnet50", "ce", -1)


def test_an_exception_changes_one_option_and_keeps_the_others():
    made = recipe("digits", "resnet8", "adafocal", "demo").loss_options
    assert made == METHODS["adafocal"].options | {"lam": 5.0}
    assert recipe("topics", "cnn", "adafocal", "demo").loss_options["lam"] == 14.0
    assert METHODS["adafocal"].options["lam"] == 1.0
