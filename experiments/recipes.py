"""The one table of recipes: (dataset, model, method, scale) to every number that can change a result.

The trainer, the launcher, the tables and the tests all read this file, and a run's `config.json` repeats what it
resolved to. A number that is ours because the paper is silent says so beside it.

Sources:
    [paper] Ghosh et al. 2022.
    [A] the authors' supplementary code, in the first commit, cb1ea6d, of github.com/Linwei94/ICML2023-DualFocalLoss.
    [M] github.com/torrvision/focal_calibration (Mukhoti et al. 2020), whose checkpoints are the paper's baselines.
    [N] its branch `nlp`, commit c2097e4: `20newsgroup_train.py` and `NewsGroup/`.
    [K] Kumar et al. 2018.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import data
import losses
import models
from experiments.methods import METHODS
from experiments.overrides import override
from experiments.scales import SCALES

KEEP = ("last", "best")
OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("milestones", "linear")


@dataclass(frozen=True)
class Recipe:
    """Every setting of a run but its seed: equal recipes and seeds give equal records on one kind of CPU.

    On a GPU they need not, unless `deterministic` is set.
    """

    dataset: str
    model: str
    method: str
    scale: str
    # schedule
    epochs: int
    batch_size: int
    lr: float
    schedule: str = "milestones"  # of lr: "milestones", or "linear": up from 0, then down to 0, step by step
    milestones: tuple[int, ...] = ()  # epochs at which lr is multiplied by lr_factor
    lr_factor: float = 0.1
    warmup: float = 0.0  # share of all steps in which the schedule "linear" rises
    optimizer: str = "sgd"  # "sgd", or "adam" or "adamw", which have no use for momentum and nesterov
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    decay_all: bool = True  # False: biases and normalisation, the parameters of one dimension, do not decay
    clip_norm: float = 2.0  # of the whole gradient, 0 = none [M, A]; not in the paper
    drop_last: bool = False  # leave out the last batch of an epoch where it is smaller than the others
    keep: str = "last"  # the epoch whose logits and scores are kept; "best": the first of the lowest validation error
    # loss
    loss: str = "ce"
    loss_options: dict[str, Any] = field(default_factory=dict)
    reduction: str = "sum"
    update_every: int = 0  # steps between two gamma updates; 0 = after every epoch (paper)
    # what is trained on what
    data_options: dict[str, Any] = field(default_factory=dict)  # arguments of data.load
    model_options: dict[str, Any] = field(default_factory=dict)  # arguments of models.build
    pretrained: str = ""  # the encoder that is fine-tuned, with its tokenizer; "" = none
    split_seed: int = 0  # the split is the same whatever the run's seed [M, A, N]
    # scores
    num_bins: int = 15  # of every recorded score, and of bins.csv unless the loss has bins of its own
    eval_batch_size: int = 1000
    # computing
    precision: str = "auto"  # of the forward pass: "float32", "tf32", "bf16"; auto = bf16 where that is faster
    deterministic: bool = False  # on a GPU, equal bits run after run where torch has such algorithms, at a cost
    compile: bool = False  # torch.compile: minutes at the start, then faster steps
    cuda_graph: bool = False  # the whole step as one CUDA graph; images, SGD, one GPU
    sync_batch_norm: bool = False  # statistics of all GPUs' batch; each layer waits for them twice a step
    threads: int = 0  # CPU threads, 0 = torch's choice: another number can change the last bits of a result


_IMAGES = {"crop_padding": 4, "flip": True}  # [M, A]
_CIFAR = {  # [M, A]
    "epochs": 350,
    "batch_size": 128,
    "lr": 0.1,
    "milestones": (150, 250),
    "split_seed": 1,
    "data_options": {"val_size": 5000, **_IMAGES},
}
_CNN = {  # [N], and 50 epochs [A]; ours on newsgroups-bydate
    "epochs": 50,
    "batch_size": 128,
    "drop_last": True,
    "optimizer": "adam",
    "lr": 1e-3,
    "weight_decay": 0.0,
    "reduction": "mean",
    "clip_norm": 0.0,
    "keep": "best",  # for AdaFocal too: which epoch the paper kept for it is not known
    "data_options": {"num_words": 20_000, "max_tokens": 1000},
    "eval_batch_size": 256,
}
_BERT = {  # ours, no source gives any: the usual fine-tuning recipe of Devlin et al. 2019, Appendix A.3
    "epochs": 4,
    "batch_size": 32,
    "optimizer": "adamw",
    "lr": 2e-5,
    "schedule": "linear",
    "warmup": 0.1,
    "weight_decay": 0.01,
    "decay_all": False,
    "reduction": "mean",
    "clip_norm": 1.0,
    "pretrained": "bert-base-uncased",
    "data_options": {"max_tokens": 512},
    "eval_batch_size": 128,
}

# What a dataset sets, at the paper's scale (the embedded datasets: at the demo's).
_DATASETS: dict[str, dict[str, Any]] = {
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
    "tiny-imagenet": {  # [M]
        "epochs": 100,
        "batch_size": 64,
        "lr": 0.1,
        "milestones": (40, 60),
        "data_options": {"val_from": 450, **_IMAGES},  # [A]
    },
    "imagenet": {  # [A]; loss and clipping are those of all its image datasets
        "epochs": 90,
        "batch_size": 128,
        "lr": 0.01,
        "milestones": (30, 60),
        "weight_decay": 1e-4,
        "split_seed": 1,
        "eval_batch_size": 256,
    },
    "newsgroups": {"split_seed": 1, "data_options": {"test_size": 3999, "val_size": 900}},  # [N]
    "newsgroups-bydate": {"data_options": {"val_size": 900}},  # ours: not in the paper
    "digits": {  # ours: the demo, hard enough to show over-confidence within seconds
        "epochs": 28,
        "batch_size": 32,
        "lr": 0.05,
        "milestones": (14, 21),
        "data_options": {"train_size": 400, "val_size": 700, "noise": 0.3, "val_draws": 2, "test_draws": 2},
        "model_options": {"stem_stride": 2},
        "eval_batch_size": 256,
        "precision": "float32",  # on every processor: the demo's verdicts are told in RESULTS.md
        "threads": 1,  # the demo trains a run a core
    },
    "topics": {  # ours: the demo's texts
        "epochs": 14,
        "batch_size": 32,
        "optimizer": "adam",
        "lr": 2e-3,
        "weight_decay": 0.0,
        "reduction": "mean",
        "clip_norm": 0.0,
        "data_options": {"train_size": 1500, "val_size": 1000, "test_size": 1000, "receptive_field": 21},
        "eval_batch_size": 256,
        "precision": "float32",
        "threads": 1,
    },
}

# Exceptions from the dataset's recipe: (where, what). Of options, those named are changed.
_EXCEPTIONS: tuple[tuple[dict[str, str], dict[str, Any]], ...] = (
    ({"dataset": "cifar10", "model": "wrn26-10", "method": "brier"}, {"epochs": 550}),  # [M]
    ({"dataset": "cifar100", "model": "resnet110", "method": "brier"}, {"epochs": 430}),  # [M]
    # ours: what a core trains in half an hour, with the paper's every other setting; see docs/choices.md
    ({"scale": "small"}, {"epochs": 105, "milestones": (45, 75), "data_options": {"train_size": 5000}, "threads": 1}),
    ({"scale": "small", "model": "wrn10-2"}, {"model_options": {"stem_stride": 2}}),
    ({"dataset": "tiny-imagenet", "method": "brier"}, {"lr": 0.035}),  # [M]
    *(
        exception
        for dataset in ("newsgroups", "newsgroups-bydate")
        for exception in (
            ({"dataset": dataset, "model": "cnn"}, _CNN),
            ({"dataset": dataset, "model": "cnn", "method": "ls"}, {"reduction": "sum"}),  # [N]
            ({"dataset": dataset, "model": "bert"}, _BERT),
            # ours: four epochs alone would move gamma four times; the authors' code has this option
            ({"dataset": dataset, "model": "bert", "method": "adafocal"}, {"update_every": 100}),
        )
    ),
    ({"dataset": "topics", "model": "cnn"}, {"model_options": {"embedding_dim": 32, "channels": 32}}),
    (
        {"dataset": "topics", "model": "bert-mini"},
        {
            "batch_size": 64,
            "optimizer": "adamw",
            "lr": 3e-3,
            "milestones": (11,),
            "weight_decay": 0.01,
            "decay_all": False,
            "clip_norm": 1.0,
            "data_options": {"receptive_field": 0},
            "model_options": {"layers": 1, "hidden": 48, "dropout": 0.0},
        },
    ),
    # ours: with a twelfth of the paper's epochs, and so of its gamma updates, gamma has to move faster
    ({"dataset": "digits", "method": "adafocal"}, {"loss_options": {"lam": 5.0}}),
    ({"dataset": "topics", "method": "adafocal"}, {"loss_options": {"lam": 14.0}}),
    ({"dataset": "topics", "model": "bert-mini", "method": "adafocal"}, {"update_every": 12}),  # twice an epoch
)


def recipe(dataset: str, model: str, method: str, scale: str, overrides: tuple[str, ...] = ()) -> Recipe:
    """Resolve the recipe of one run.

    Args:
        dataset: a name in `data.DATASETS`.
        model: a name in `models.MODELS`.
        method: a key of `METHODS`.
        scale: a key of `scales.SCALES`.
        overrides: "key=value" texts, see `override`.

    Raises:
        ValueError: an unknown name (the message lists the choices), a dataset that has no recipe at this scale, an
            override that does not fit.
    """
    _choose("dataset", dataset, data.DATASETS)
    if dataset not in _DATASETS:
        raise ValueError(f"dataset {dataset!r} has no recipe yet: it needs an entry in {__name__}._DATASETS")
    _choose("model", model, models.MODELS)
    _choose("method", method, METHODS)
    _choose("scale", scale, SCALES)
    if dataset not in SCALES[scale].datasets:
        fits = ", ".join(SCALES[scale].datasets)
        raise ValueError(f"dataset {dataset!r} has no recipe at scale {scale!r}: choose from {fits}")
    chosen = METHODS[method]
    names = {"dataset": dataset, "model": model, "method": method, "scale": scale}
    settings = {
        "loss": chosen.loss,
        "loss_options": {**losses.preset(chosen.loss), **chosen.options},
        "reduction": chosen.reduction,
        **_DATASETS[dataset],
    }
    for where, what in _EXCEPTIONS:
        if where.items() <= names.items():
            for name, value in what.items():
                settings[name] = {**settings.get(name, {}), **value} if isinstance(value, dict) else value
    made = Recipe(**names, **settings)
    if (divisor := SCALES[scale].divisor) > 1:
        milestones = tuple(epoch // divisor for epoch in made.milestones)
        made = dataclasses.replace(made, epochs=max(1, made.epochs // divisor), milestones=milestones)
    for text in overrides:
        made = override(made, text)
    return check(made)


def check(made: Recipe) -> Recipe:
    """Refuse a recipe that cannot be trained, before anything is written."""
    for name in ("epochs", "batch_size", "eval_batch_size", "num_bins"):
        if getattr(made, name) < 1:
            raise ValueError(f"{name} must be >= 1, got {getattr(made, name)}")
    for name in ("momentum", "weight_decay", "clip_norm", "update_every", "threads", "lr_factor", "warmup"):
        if not getattr(made, name) >= 0:
            raise ValueError(f"{name} must be >= 0, got {getattr(made, name)}")
    if not made.lr > 0:
        raise ValueError(f"lr must be > 0, got {made.lr}")
    if not made.warmup < 1:
        raise ValueError(f"warmup must be a share of the steps below 1, got {made.warmup}")
    _choose("optimizer", made.optimizer, OPTIMIZERS)
    _choose("schedule", made.schedule, SCHEDULES)
    _choose("keep", made.keep, KEEP)
    models.check(made.model, made.dataset, made.model_options)
    if bool(made.pretrained) != ("pretrained" in models.options_of(made.model)):
        raise ValueError(
            f"model {made.model!r} is trained from scratch: it takes no pretrained encoder"
            if made.pretrained
            else f"model {made.model!r} needs a pretrained encoder"
        )
    if "reduction" in made.loss_options:
        raise ValueError("reduction is a setting of its own, not one of loss_options: --set reduction=...")
    if unknown := set(made.data_options) - set(options := data.options_of(made.dataset)):
        names = f"{', '.join(sorted(unknown))}: choose from {', '.join(options)}"
        hint = "; the split's seed is split_seed" if "seed" in unknown else ""
        raise ValueError(f"dataset {made.dataset!r} has no option {names}{hint}")
    if made.reduction == "none":
        raise ValueError('reduction must be "sum" or "mean", got "none": one cannot train on a loss a sample')
    losses.build(made.loss, reduction=made.reduction, **made.loss_options)
    return made


def _choose(kind: str, name: str, choices) -> None:
    if name not in choices:
        raise ValueError(f"unknown {kind} {name!r}: choose from {', '.join(choices)}")
