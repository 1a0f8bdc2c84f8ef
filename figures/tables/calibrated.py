"""Scores of a run after a post-hoc calibrator, fitted to its validation logits and applied to its test logits."""

import warnings
from collections.abc import Callable

import posthoc
from calibration import ece_em
from experiments.records import LeftOut, Record, RecordError
from figures import cache
from figures.tables.table import Block


def ece_em_after(name: str) -> Callable[[Record], float | None]:
    """Test ECE_EM (15 bins) in percent after the calibrator `name` of `posthoc.CALIBRATORS`, as a function of a record.

    It is None where the calibrator is not for so many classes, and of a record that is published without predictions or
    whose predictions are damaged; the latter with a warning.
    """
    entry = posthoc.CALIBRATORS[name]

    def score(record: Record) -> float | None:
        if not entry.takes(len(record.config.get("classes", ()))):
            return None
        try:
            inputs = record.predictions_sha256
        except LeftOut:
            return None
        except RecordError as error:
            warnings.warn(f"left out: {error}", stacklevel=2)
            return None
        code = cache.code("calibration", "posthoc", packages=("numpy", "scipy", "scikit-learn"))
        return cache.number(f"ece_em {name} {inputs} {code}", lambda: _compute(name, record))

    return score


def _compute(name: str, record: Record) -> float:
    arrays = record.predictions
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "temperature", RuntimeWarning)  # at a bound: the number shows it
        calibrator = posthoc.build(name).fit(arrays["val_logits"], arrays["val_labels"])
    return 100 * ece_em(*calibrator.top_label(arrays["test_logits"], arrays["test_labels"]))


def block(name: str) -> Block:
    """A block of a table: ECE_EM after the calibrator `name`. The paper's Table 1 has numbers for its temperature."""
    known = ("table1", "after") if name == "ts" else None
    return Block(name, f"After {posthoc.CALIBRATORS[name].label}", ece_em_after(name), paper=known)


def before() -> Block:
    """A block of a table: ECE_EM of the model as it was trained."""
    return Block("before", "Before", lambda record: 100 * record.result["test"]["ece_em"], paper=("table1", "before"))
