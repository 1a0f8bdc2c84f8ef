"""Which runs exist: the dataset-model pairs, methods and seeds of every table, at every scale."""

import hashlib
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

from experiments import recipes
from experiments.overrides import normalise
from experiments.recipes import METHODS, TABLE_METHODS, Recipe

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


@dataclass(frozen=True)
class Column:
    """What a table's column, or a figure's curve, is trained with.

    Attributes:
        method: a key of `recipes.METHODS`.
        overrides: "key=value" texts; one that says what the recipe says anyway changes nothing.
        label: what the reader sees; "" takes the method's.
        datasets: the only ones that have this column; () = all.
    """

    method: str
    overrides: tuple[str, ...] = ()
    label: str = ""
    datasets: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """A name of its own."""
        return "+".join((self.method, *self.overrides))

    @property
    def title(self) -> str:
        """What the reader sees."""
        return self.label or METHODS[self.method].label


@dataclass(frozen=True)
class Experiment:
    """The runs that a table or figure is made from: columns x pairs x seeds.

    Attributes:
        columns: what is compared.
        pairs: the dataset-model pairs by scale; those that are not named have all of `PAIRS`.
        seeds: runs a cell by scale; those that are not named have `SEEDS`.
    """

    columns: tuple[Column, ...]
    pairs: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    seeds: dict[str, int] = field(default_factory=dict)

    def pairs_at(self, scale: str) -> tuple[tuple[str, str], ...]:
        """The pairs at a scale."""
        return self.pairs.get(scale, PAIRS[scale])

    def seeds_at(self, scale: str) -> int:
        """The number of seeds at a scale."""
        return self.seeds.get(scale, SEEDS[scale])


def _methods(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name) for name in names)


def _ablation(option: str, symbol: str, *values: str) -> Experiment:
    """AdaFocal with one option of its loss at several values, on one pair; at the demo's scale with one seed."""
    columns = tuple(
        Column("adafocal", (f"loss_options.{option}={value}",), f"{symbol} = {'∞' if value == 'inf' else value}")
        for value in values
    )
    return Experiment(columns, _ONE_PAIR, {"demo": 1})


def _pair(demo: tuple[str, str], real: tuple[str, str]) -> dict[str, tuple[tuple[str, str], ...]]:
    return {"demo": (demo,), "quick": (real,), "paper": (real,)}


def _two_pairs(dataset: str, first: str, second: str) -> dict[str, tuple[tuple[str, str], ...]]:
    real = ((dataset, first), (dataset, second))
    return {"demo": (("digits", "resnet8"), ("digits", "wrn10-2")), "quick": real, "paper": real}


_TEXTS = ("newsgroups", "cnn")
_ONE_PAIR = _pair(("digits", "resnet8"), ("cifar10", "resnet50"))
# The paper's figures over epochs show one net; 20 Newsgroups is ours, for a CPU is enough for it.
_TWO_DATASETS = {
    "demo": (("digits", "resnet8"), ("topics", "cnn")),
    **dict.fromkeys(("quick", "paper"), (("cifar10", "resnet50"), _TEXTS)),
}
_EVERY_DATASET = {
    "demo": PAIRS["demo"],
    **dict.fromkeys(
        ("quick", "paper"),
        (*((dataset, "resnet50") for dataset in ("cifar10", "cifar100", "tiny-imagenet", "imagenet")), _TEXTS),
    ),
}
_ONE_SEED = dict.fromkeys(SEEDS, 1)
_EARLY_SWITCH = Column("adafocal", ("loss_options.switch_threshold=0.5",), "AdaFocal, S_th = 0.5", ("imagenet",))
_TABLE = Experiment(_methods(*TABLE_METHODS))
_CALFOCAL = tuple(
    Column(f"calfocal{lam}", (f"loss_options.mode={mode}",) if mode == "bin" else (), f"Eq. {equation}, λ = {lam}")
    for equation, mode in ((2, "sample"), (3, "bin"))
    for lam in (1, 10, 100)
)
_FOCAL = _methods("ce", "fl3", "fl4", "fl5", "flsd53")
_GAMMAS = _methods("ce", "fl3", "fl5")  # focal loss with gamma 0, 3, 5
# A new table or figure is a line here; the launcher, the tables and the tests all read it.
EXPERIMENTS: dict[str, Experiment] = {
    **dict.fromkeys(("table1", "table2", "table3", "table4"), _TABLE),
    **dict.fromkeys(
        ("ece_ew", "ece_debias", "ece_sweep_ew", "ece_sweep_em", "error_bars", "scores", "posthoc"), _TABLE
    ),
    "table8": Experiment(
        _methods("ce", "brier", "mmce", "ls", "fl3", "flsd53", "adafocal"),
        _two_pairs("cifar10", "resnet110", "wrn26-10"),
    ),
    "ablation_bins": _ablation("num_bins", "M", "5", "10", "15", "20", "30", "50"),
    "ablation_gamma_max": _ablation("gamma_max", "γ_max", "20", "50", "inf"),
    "ablation_switch": replace(
        _ablation("switch_threshold", "S_th", "0.2", "0.5"),
        pairs=_ONE_PAIR | {scale: (*_ONE_PAIR[scale], ("imagenet", "resnet50")) for scale in ("quick", "paper")},
    ),
    "ablation_lambda": _ablation("lam", "λ", "0.5", "1", "2", "5"),
    "calfocal": Experiment((*_CALFOCAL, Column("adafocal")), _ONE_PAIR, {"demo": 1}),
    "fig1": Experiment(_FOCAL, _TWO_DATASETS, _ONE_SEED),
    "fig2": Experiment(_GAMMAS, _TWO_DATASETS, _ONE_SEED),
    "fig3": Experiment(_methods("ce", "flsd53", "calfocal1", "calfocal10", "calfocal100"), _ONE_PAIR, {"demo": 1}),
    "fig4": Experiment((*_methods("ce", "flsd53", "adafocal"), _EARLY_SWITCH), _EVERY_DATASET),
    "fig5": Experiment(
        (*_methods("ce", "flsd53", "adafocal"), _EARLY_SWITCH),
        {
            "demo": _TWO_DATASETS["demo"],
            **dict.fromkeys(("quick", "paper"), (("cifar10", "resnet50"), ("imagenet", "resnet50"), _TEXTS)),
        },
        _ONE_SEED,
    ),
    "fig6": Experiment(_methods("fl3", "flsd53", "adafocal"), _two_pairs("cifar10", "resnet110", "wrn26-10")),
    "fig7": Experiment(_FOCAL, _ONE_PAIR, _ONE_SEED),
    **dict.fromkeys(("fig8", "fig9", "fig10"), Experiment(_GAMMAS, _ONE_PAIR, _ONE_SEED)),
    "fig11": Experiment(_GAMMAS, _pair(("digits", "wrn10-2"), ("cifar100", "resnet50")), _ONE_SEED),
    "fig12": Experiment(_GAMMAS, _pair(("topics", "cnn"), ("cifar100", "wrn26-10")), _ONE_SEED),
    "fig13": Experiment(_GAMMAS, _pair(("topics", "bert-mini"), ("tiny-imagenet", "resnet50")), _ONE_SEED),
    "reliability": Experiment(_methods(*TABLE_METHODS), _EVERY_DATASET, _ONE_SEED),
}


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


def experiment(name: str, scale: str) -> Experiment:
    """What a table or figure is made from.

    Raises:
        ValueError: an unknown scale or name (the message lists the choices).
    """
    if scale not in PAIRS:
        raise ValueError(f"unknown scale {scale!r}: choose from {', '.join(PAIRS)}")
    if name not in EXPERIMENTS:
        raise ValueError(f"unknown table or figure {name!r}: choose from {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]


def add_selection(parser) -> None:
    """The options with which a command says which runs it is about."""
    parser.add_argument("--for", dest="name", default="table1", help=f"one of {', '.join(EXPERIMENTS)}, or all")
    parser.add_argument("--scale", default="demo", help=f"one of {', '.join(PAIRS)} (default: demo)")


def cell(name: str, scale: str, pair: tuple[str, str], column: Column) -> list[Run]:
    """The runs of one cell of a table or figure, a seed each; none where the column is not for this dataset."""
    if column.datasets and pair[0] not in column.datasets:
        return []
    seeds = experiment(name, scale).seeds_at(scale)
    return [Run.make(scale, *pair, column.method, seed, column.overrides) for seed in range(seeds)]


def runs_of(name: str, scale: str) -> list[Run]:
    """The runs that a table or figure ("all": all of them) is made from, each once.

    They come seed by seed, so that every cell soon has one.

    Raises:
        ValueError: an unknown scale or name (the message lists the choices).
    """
    names = tuple(EXPERIMENTS) if name == "all" else (name,)
    made = [(name, experiment(name, scale)) for name in names]
    cells = [
        cell(name, scale, pair, column)
        for name, part in made
        for pair in part.pairs_at(scale)
        for column in part.columns
    ]
    runs = [run for a_seed in zip_longest(*cells) for run in a_seed if run is not None]
    return list(dict.fromkeys(runs))
