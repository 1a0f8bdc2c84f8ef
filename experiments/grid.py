"""Which runs exist: the dataset-model pairs, methods and seeds of every table, at every scale."""

import hashlib
import shlex
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from data.ood import SHIFTS
from data.splits.holdout import check_seed
from experiments import recipes, scales
from experiments.methods import METHODS, TABLE_METHODS
from experiments.overrides import normalise
from experiments.recipes import Recipe
from experiments.scales import SCALES, Pair


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
        pairs: of the paper, for which a scale may have stand-ins; (): all of the scale's.
        seeds: runs a cell: "all" or "few" of the scale's, or "one".
        ood: the sets of images that `experiments.ood` gives its runs; (): those of the dataset's facts.
    """

    columns: tuple[Column, ...]
    pairs: tuple[Pair, ...] = ()
    seeds: str = "all"
    ood: tuple[str, ...] = ()

    def pairs_at(self, scale: str) -> tuple[Pair, ...]:
        """The pairs at a scale."""
        return SCALES[scale].pairs_for(self.pairs)

    def seeds_at(self, scale: str) -> int:
        """The number of seeds at a scale."""
        return {"all": SCALES[scale].seeds, "few": SCALES[scale].ablation_seeds, "one": 1}[self.seeds]


def _methods(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name) for name in names)


def _ablation(option: str, symbol: str, *values: str, pairs: tuple[Pair, ...] = ()) -> Experiment:
    """AdaFocal with one option of its loss at several values, on one pair unless more are named."""
    columns = tuple(
        Column("adafocal", (f"loss_options.{option}={value}",), f"{symbol} = {'∞' if value == 'inf' else value}")
        for value in values
    )
    return Experiment(columns, pairs or _ONE_PAIR, "few")


_TEXTS = ("newsgroups", "cnn")
_ONE_PAIR = (("cifar10", "resnet50"),)
# The paper's figures over epochs show one net; 20 Newsgroups is ours, for a CPU is enough for it.
_TWO_DATASETS = (*_ONE_PAIR, _TEXTS)
_EVERY_DATASET = (*((name, "resnet50") for name in ("cifar10", "cifar100", "tiny-imagenet", "imagenet")), _TEXTS)
_OOD_PAIRS = (("cifar10", "resnet110"), ("cifar10", "wrn26-10"))
_EARLY_SWITCH = Column("adafocal", ("loss_options.switch_threshold=0.5",), "AdaFocal, S_th = 0.5", ("imagenet",))
_TABLE = Experiment(_methods(*TABLE_METHODS))
_CALFOCAL = tuple(
    Column(f"calfocal{lam}", (f"loss_options.mode={mode}",) if mode == "bin" else (), f"Eq. {equation}, λ = {lam}")
    for equation, mode in ((2, "sample"), (3, "bin"))
    for lam in (1, 10, 100)
)
_FOCAL = _methods("ce", "fl3", "fl4", "fl5", "flsd53")
_GAMMAS = _methods("ce", "fl3", "fl5")  # focal loss with gamma 0, 3, 5
_SWITCHES = (*_methods("ce", "flsd53", "adafocal"), _EARLY_SWITCH)
# A new table or figure is a line here; the launcher, the tables and the tests all read it.
EXPERIMENTS: dict[str, Experiment] = {
    **dict.fromkeys(("table1", "table2", "table3", "table4"), _TABLE),
    **dict.fromkeys(("ece_ew", "ece_debias", "ece_sweep_ew", "ece_sweep_em"), _TABLE),
    **dict.fromkeys(("error_bars", "scores", "posthoc"), _TABLE),
    "table8": Experiment(_methods("ce", "brier", "mmce", "ls", "fl3", "flsd53", "adafocal"), _OOD_PAIRS),
    "ablation_bins": _ablation("num_bins", "M", "5", "10", "15", "20", "30", "50"),
    "ablation_gamma_max": _ablation("gamma_max", "γ_max", "20", "50", "inf"),
    "ablation_switch": _ablation(
        "switch_threshold", "S_th", "0.2", "0.5", pairs=(*_ONE_PAIR, ("imagenet", "resnet50"))
    ),
    "ablation_lambda": _ablation("lam", "λ", "0.5", "1", "2", "5"),
    "calfocal": Experiment((*_CALFOCAL, Column("adafocal")), _ONE_PAIR, "few"),
    "fig1": Experiment(_FOCAL, _TWO_DATASETS, "one"),
    "fig2": Experiment(_GAMMAS, _TWO_DATASETS, "one"),
    "fig3": Experiment(_methods("ce", "flsd53", "calfocal1", "calfocal10", "calfocal100"), _ONE_PAIR, "few"),
    "fig4": Experiment(_SWITCHES, _EVERY_DATASET),
    "fig5": Experiment(_SWITCHES, (*_ONE_PAIR, ("imagenet", "resnet50"), _TEXTS), "one"),
    "fig6": Experiment(_methods("fl3", "flsd53", "adafocal"), _OOD_PAIRS),
    "fig7": Experiment(_FOCAL, _ONE_PAIR, "one"),
    **dict.fromkeys(("fig8", "fig9", "fig10"), Experiment(_GAMMAS, _ONE_PAIR, "one")),
    "fig11": Experiment(_GAMMAS, (("cifar100", "resnet50"),), "one"),
    "fig12": Experiment(_GAMMAS, (("cifar100", "wrn26-10"),), "one"),
    "fig13": Experiment(_GAMMAS, (("tiny-imagenet", "resnet50"),), "one"),
    "shift": Experiment(_methods(*TABLE_METHODS), _OOD_PAIRS, ood=SHIFTS),
    "reliability": Experiment(_methods(*TABLE_METHODS), _EVERY_DATASET, "one"),
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
            ValueError: what `recipes.recipe` refuses, or a seed that no generator takes.
        """
        check_seed(seed)
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
        settings = "".join(f" --set {shlex.quote(text)}" for text in self.overrides)
        return f"python -m experiments.train {names} --scale {self.scale}{settings}"


def runs_option(runs: Path | None) -> str:
    """What names the folder of records in a command that is shown; "" where it is the usual one."""
    return "" if runs in (None, Path("runs")) else f" --runs {shlex.quote(str(runs))}"


def experiment(name: str, scale: str) -> Experiment:
    """What a table or figure is made from.

    Raises:
        ValueError: an unknown scale or name (the message lists the choices).
    """
    if scale not in SCALES:
        raise ValueError(f"unknown scale {scale!r}: choose from {', '.join(SCALES)}")
    if name not in EXPERIMENTS:
        raise ValueError(f"unknown table or figure {name!r}: choose from {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]


def add_selection(parser) -> None:
    """The options with which a command says which runs it is about."""
    parser.add_argument("--for", dest="name", default="table1", help=f"one of {', '.join(EXPERIMENTS)}, or all")
    scales.add_option(parser)


def cell(name: str, scale: str, pair: Pair, column: Column) -> list[Run]:
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
