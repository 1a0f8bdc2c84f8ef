"""The same scores and calibrators from the packages that people use today; what is not installed is passed over."""

import contextlib
import importlib
import io
import warnings
from collections.abc import Callable, Iterator

import torch

from calibration import ece_ew, top_label
from experiments.bench.scores import predictions
from experiments.bench.timing import Row, side_by_side
from posthoc import build

SIZES = (10_000, 100_000, 1_000_000)


def rows() -> Iterator[Row]:
    """ECE at three sizes, classwise ECE, and temperature scaling, against netcal, torchmetrics and probmetrics."""
    for name, of in (("netcal", _netcal), ("torchmetrics", _torchmetrics), ("probmetrics", _probmetrics)):
        try:
            with _silent():
                importlib.import_module(name)
                comparisons = list(of())
        except ImportError:
            continue
        for what, ours, theirs, rounds in comparisons:
            with _silent():
                mine, other = side_by_side(ours, theirs, rounds)
            yield Row("against other packages", what, mine, name, other)


Comparison = tuple[str, Callable[[], object], Callable[[], object], int]


def _netcal() -> Iterator[Comparison]:
    from netcal.metrics import ECE
    from netcal.scaling import TemperatureScaling

    for n in SIZES:
        logits, labels = predictions(n, 10)
        probabilities, targets = torch.softmax(logits.double(), 1).numpy(), labels.numpy()
        yield (
            f"ECE_EW of {n:,} x 10, from probabilities",
            lambda p=probabilities, y=targets: ece_ew(p.max(1), p.argmax(1) == y),
            lambda p=probabilities, y=targets: ECE(15).measure(p, y),
            3,
        )
    logits, labels = predictions(5000, 100)
    probabilities, targets = torch.softmax(logits.double(), 1).numpy(), labels.numpy()
    yield (
        "temperature by NLL on 5,000 x 100",
        lambda: build("ts-nll").fit(logits, labels),
        lambda: TemperatureScaling().fit(probabilities, targets),
        1,
    )


def _torchmetrics() -> Iterator[Comparison]:
    from torchmetrics.functional.classification import multiclass_calibration_error

    for n in SIZES:
        logits, labels = predictions(n, 10)
        yield (
            f"ECE_EW of {n:,} x 10, from logits",
            lambda x=logits, y=labels: ece_ew(*top_label(x, y)),
            lambda x=logits, y=labels: multiclass_calibration_error(x, y, num_classes=10, n_bins=15),
            3,
        )


def _probmetrics() -> Iterator[Comparison]:
    from probmetrics.calibrators import get_calibrator
    from probmetrics.distributions import CategoricalLogits

    logits, labels = predictions(5000, 100)
    yield (
        "temperature by NLL on 5,000 x 100",
        lambda: build("ts-nll").fit(logits, labels),
        lambda: get_calibrator("temp-scaling").fit_torch(CategoricalLogits(logits), labels),
        1,
    )
    some = predictions(100_000, 10)
    from probmetrics.metrics import Metrics

    metrics = Metrics.from_names(["ece-15"])
    yield (
        "ECE_EW of 100,000 x 10, from logits",
        lambda: ece_ew(*top_label(*some)),
        lambda: metrics.compute_all_from_labels_logits(some[1], some[0]),
        2,
    )


@contextlib.contextmanager
def _silent():
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
