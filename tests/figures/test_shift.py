from types import SimpleNamespace

import pytest

from data import SHIFTS
from figures.pictures import shift


def record(first: int) -> SimpleNamespace:
    of = {
        name: {"error": (first + i) / 100, "ece_em": i / 10, "ece_em_scaled": i / 20} for i, name in enumerate(SHIFTS)
    }
    return SimpleNamespace(result={"test": {"error": 0.01, "ece_em": 0.3}, "test_scaled": {"ece_em": 0.2}, "ood": of})


def test_a_curve_begins_with_the_test_set():
    assert shift.curve(record(2), ("test", "error"), "error") == pytest.approx([1, 2, 3, 4, 5, 6])
    assert shift.curve(record(2), ("test_scaled", "ece_em"), "ece_em_scaled") == pytest.approx([20, 0, 5, 10, 15, 20])


def test_a_record_that_lacks_a_severity_has_no_curve():
    lacks = record(2)
    del lacks.result["ood"][SHIFTS[3]]
    assert shift.curve(lacks, ("test", "error"), "error") is None
    del lacks.result["ood"]
    assert shift.curve(lacks, ("test", "error"), "error") is None
