"""The scales at which everything can be run; a new one is an entry here."""

from dataclasses import dataclass, field

Pair = tuple[str, str]  # dataset and model

_CIFAR_MODELS = ("resnet50", "resnet110", "wrn26-10", "densenet121")
_PAPER_PAIRS: tuple[Pair, ...] = (
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


@dataclass(frozen=True)
class Scale:
    """How much of the paper's work is done.

    Attributes:
        what: it is, for `--help`.
        pairs: the dataset-model pairs of its tables.
        seeds: runs a cell.
        divisor: the paper's epochs and milestones are divided by it.
        few_seeds: runs a cell of ablations; 0: as many as elsewhere.
        extra_datasets: that can be trained, beside those of `pairs`.
        stand_ins: pairs of its own in place of the paper's, where an experiment names some; {}: the paper's own.
        trains: whether a table trains what it lacks.
        device: that the cluster's scripts ask for.
        core_hours: of a run of a pair, on one thread of a quiet CPU with AVX-512; {}: not for a CPU.
    """

    what: str
    pairs: tuple[Pair, ...]
    seeds: int
    divisor: int = 1
    few_seeds: int = 0
    extra_datasets: tuple[str, ...] = ()
    stand_ins: dict[Pair, Pair] = field(default_factory=dict)
    trains: bool = False
    device: str = "cuda"
    core_hours: dict[Pair, float] = field(default_factory=dict)

    @property
    def datasets(self) -> tuple[str, ...]:
        """What can be trained at this scale."""
        return (*dict.fromkeys(dataset for dataset, _ in self.pairs), *self.extra_datasets)

    @property
    def ablation_seeds(self) -> int:
        """Runs a cell of an ablation."""
        return self.few_seeds or self.seeds

    def pairs_for(self, real: tuple[Pair, ...]) -> tuple[Pair, ...]:
        """What stands for some of the paper's pairs here, each once, in the order of `pairs`; () stands for all."""
        if not real:
            return self.pairs
        if not self.stand_ins:
            return real
        chosen = {self.stand_ins[pair] for pair in real if pair in self.stand_ins}
        return tuple(pair for pair in self.pairs if pair in chosen)


# The smallest first: a dataset's default scale is the first that has it.
SCALES: dict[str, Scale] = {
    "demo": Scale(
        "embedded data and small nets, minutes on a CPU",
        pairs=(("digits", "resnet8"), ("digits", "wrn10-2"), ("topics", "cnn"), ("topics", "bert-mini")),
        seeds=3,
        few_seeds=1,
        stand_ins={
            ("cifar10", "resnet50"): ("digits", "resnet8"),
            ("cifar10", "resnet110"): ("digits", "resnet8"),
            ("cifar10", "wrn26-10"): ("digits", "wrn10-2"),
            ("cifar100", "resnet50"): ("digits", "wrn10-2"),
            ("cifar100", "wrn26-10"): ("topics", "cnn"),
            ("newsgroups", "cnn"): ("topics", "cnn"),
            ("tiny-imagenet", "resnet50"): ("topics", "bert-mini"),
        },
        trains=True,
        device="cpu",
    ),
    "small": Scale(
        "real CIFAR-10 images and small nets, hours on a CPU",
        pairs=(("cifar10", "resnet8"), ("cifar10", "wrn10-2")),
        seeds=3,
        few_seeds=1,
        stand_ins={
            ("cifar10", "resnet50"): ("cifar10", "resnet8"),
            ("cifar10", "resnet110"): ("cifar10", "resnet8"),
            ("cifar10", "wrn26-10"): ("cifar10", "wrn10-2"),
            ("cifar100", "resnet50"): ("cifar10", "resnet8"),
            ("cifar100", "wrn26-10"): ("cifar10", "wrn10-2"),
            ("tiny-imagenet", "resnet50"): ("cifar10", "resnet8"),
        },
        device="cpu",
        core_hours={("cifar10", "resnet8"): 0.45, ("cifar10", "wrn10-2"): 0.3},
    ),
    "quick": Scale(
        "the paper's data and models, a fifth of its epochs",
        pairs=_PAPER_PAIRS,
        seeds=3,
        divisor=5,
        extra_datasets=("newsgroups-bydate",),
    ),
    "paper": Scale("the paper's settings", pairs=_PAPER_PAIRS, seeds=5, extra_datasets=("newsgroups-bydate",)),
}


def default(dataset: str | None = None) -> str:
    """The scale of a command that names none: the dataset's smallest; "demo" where no dataset is named either."""
    return next((name for name, scale in SCALES.items() if dataset in (None, *scale.datasets)), next(iter(SCALES)))


def add_option(parser) -> None:
    """`--scale`, which `resolve` gives its default."""
    names = "; ".join(f"{name}: {scale.what}" for name, scale in SCALES.items())
    parser.add_argument("--scale", help=f"{names} (default: the dataset's smallest, else {default()})")


def add_if_tables_train(parser) -> None:
    """`--if-tables-train`, which `is_left_to_the_user` reads; make gives it."""
    parser.add_argument(
        "--if-tables-train",
        action="store_true",
        help=f"do nothing but at a scale whose tables train what they lack "
        f"({', '.join(name for name, scale in SCALES.items() if scale.trains)})",
    )


def is_left_to_the_user(options) -> bool:
    """Whether a table of the options' scale, which is resolved, must not train."""
    return options.if_tables_train and not SCALES[options.scale].trains


def resolve(options) -> str:
    """The scale of a command's parsed options, one of which may be a dataset."""
    return options.scale or default(getattr(options, "dataset", None))
