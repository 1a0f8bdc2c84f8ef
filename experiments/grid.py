"""Which runs exist: the dataset-model pairs, methods and seeds of every table, at every scale."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from experiments import recipes
from experiments.overrides import normalise
from experiments.recipes import TABLE_METHODS, Recipe

_CIFAR_MODELS = ("resnet50", "resnet110", "wrn26-10", "densenet121")
_PAPER_PAIRS = (
    *(("cifar10", model) for model in _CIFAR_MODELS),
    *(("cifar100", model) for model in _CIFAR_MODELS),
    ("tiny-imagenet", "resnet50"),
    ("tiny-imagenet", "resnet110"),
    ("imagenet", "resnet50"),
    ("imagenet", "resnet110"),
    ("imagenet", "densenet121"),
    ("newsgroups", "cnn"),
    ("newsgroups", "bert"),
)
PAIRS: dict[str, tuple[tuple[str, str], ...]] = {
    "demo": (("digits", "resnet8"), ("digits", "wrn10-2"), ("topics", "cnn"), ("topics", "bert-mini")),
    "quick": _PAPER_PAIRS,
    "paper": _PAPER_PAIRS,
}
SEEDS = {"demo": 3, "quick": 3, "paper": 5}  # runs a cell
METHODS_OF = {"table1": TABLE_METHODS, "table2": TABLE_METHODS}  # the runs each table or figure is made from


MAX_NAME = 200  # bytes of a folder's name; file systems allow 255


@dataclass(frozen=True, order=True)
class Run:
    """One training run: a recipe's name, the overrides of its settings, and a seed."""

    scale: str
    dataset: str
    model: str
    method: str
    seed: int = 0
    overrides: tuple[str, ...] = ()

    @classmethod
    def make(cls, scale, dataset, model, method, seed=0, overrides=()) -> "Run":
        """A run whose names and overrides are checked.

        Raises:
            ValueError: what `recipes.recipe` refuses, or a negative seed.
        """
        if seed < 0:
            raise ValueError(f"seed must be >= 0, got {seed}")
        plain = recipes.recipe(dataset, model, method, scale)
        recipes.recipe(dataset, model, method, scale, tuple(overrides))
        return cls(scale, dataset, model, method, seed, normalise(plain, tuple(overrides)))

    @property
    def recipe(self) -> Recipe:
        """The run's settings."""
        return recipes.recipe(self.dataset, self.model, self.method, self.scale, self.overrides)

    def __str__(self) -> str:
        name = "+".join((self.method, *self.overrides))
        if len(name.encode()) > MAX_NAME:  # config.json has them all
            digest = hashlib.sha256(name.encode()).hexdigest()[:12]
            name = f"{self.method}+{len(self.overrides)}overrides-{digest}"
        return f"{self.scale}/{self.dataset}/{self.model}/{name}/seed{self.seed}"

    def folder(self, runs: Path) -> Path:
        """Where its record lies below `runs`. An overridden run has its overrides in the path, so it fills no table."""
        return Path(runs) / str(self)

    @property
    def command(self) -> str:
        """The command that trains it."""
        names = f"--dataset {self.dataset} --model {self.model} --method {self.method} --seed {self.seed}"
        settings = "".join(f" --set {text}" for text in self.overrides)
        return f"python -m experiments.train {names} --scale {self.scale}{settings}"


def runs_of(name: str, scale: str) -> list[Run]:
    """The runs that a table or figure is made from, seed by seed so that every cell soon has one.

    Raises:
        ValueError: an unknown scale or name (the message lists the choices).
    """
    if scale not in PAIRS:
        raise ValueError(f"unknown scale {scale!r}: choose from {', '.join(PAIRS)}")
    if name not in METHODS_OF:
        raise ValueError(f"unknown table or figure {name!r}: choose from {', '.join(METHODS_OF)}")
    return [
        Run(scale, dataset, model, method, seed)
        for seed in range(SEEDS[scale])
        for dataset, model in PAIRS[scale]
        for method in METHODS_OF[name]
    ]
