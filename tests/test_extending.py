"""The walk of docs/extending.md, in a copy: what a new score and a new calibrator take, and where they show up."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("losses", "calibration", "posthoc", "models", "data", "experiments", "figures")
SCORE = '''"""The share of samples whose confidence is above one half."""


def above_half(confidence) -> float:
    """The score."""
    return float((confidence > 0.5).mean())
'''
CALIBRATOR = '''"""Temperature 2, whatever the validation set says."""

from posthoc.temperature import TemperatureScaling


class Halved(TemperatureScaling):
    """The calibrator."""

    def fit(self, val_logits, val_labels):
        """Fit nothing."""
        self.temperature_ = 2.0
        return self
'''
SHOWN = """
from figures.tables import TABLES
print([block.title for name in ("scores", "posthoc") for block in TABLES[name].blocks])
"""


@pytest.fixture
def copy(tmp_path):
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("results", "__pycache__"))
    return tmp_path


def insert(path: Path, *lines: tuple[str, str]) -> None:
    """Put a line behind the one that begins so."""
    text = path.read_text().splitlines()
    for before, line in lines:
        text.insert(next(i for i, there in enumerate(text) if there.startswith(before)) + 1, line)
    path.write_text("\n".join(text) + "\n")


def test_a_score_and_a_calibrator(copy):
    (copy / "calibration" / "above_half.py").write_text(SCORE)
    insert(
        copy / "calibration" / "scores.py",
        ("from calibration.confidence", "from calibration.above_half import above_half"),
        ("SCORES:", '    "above_half": Score(above_half, "sure enough", PERCENT),'),
    )
    (copy / "posthoc" / "halved.py").write_text(CALIBRATOR)
    insert(
        copy / "posthoc" / "registry.py",
        ("from posthoc.ensemble", "from posthoc.halved import Halved"),
        ("CALIBRATORS:", '    "halved": Entry(Halved, "by half"),'),
    )
    rng = np.random.default_rng(0)
    for name in ("val", "test"):
        np.savez(copy / f"{name}.npz", logits=rng.normal(size=(100, 4)), labels=rng.integers(0, 4, 100))
    audit = [sys.executable, "-m", "experiments.audit", "test.npz", "--val", "val.npz", "--resamples", "10"]
    for command, words in (
        (audit, ("sure enough (%)", "by half, T = 2.00")),
        ([sys.executable, "-c", SHOWN], ("sure enough (%)", "by half")),
    ):
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert all(word in done.stdout for word in words), done.stdout
