"""What pip installs: the libraries under the one name `adafocal`, equal to the checkout's, and nothing else."""

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.support.waiting import HANGS

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = {"calibration", "losses", "posthoc"}
NAMES = {"sklearn": "scikit-learn"}  # where a package is imported by another name
FILES = {f"adafocal/{path.relative_to(ROOT)}" for name in LIBRARIES for path in (ROOT / name).rglob("*.py")}
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "runs", "out", "build", "results", "*.egg-info", "__pycache__")
GIVEN = """
import torch
torch.manual_seed(0)
model = torch.nn.Linear(8, 5)
x, y = torch.randn(200, 8), torch.randint(5, (200,))
val_logits, val_labels = test_logits, test_labels = model(x).detach(), y
"""
# What everything gives, as text; the libraries are imported before.
EVERYTHING = """
import pickle
for name in losses.LOSSES:
    loss = losses.build(name)
    if hasattr(loss, "update"):
        loss.update(val_logits, val_labels)
    again = losses.build(name)
    again.load_state_dict(loss.state_dict())
    print(name, again, again(val_logits, val_labels).item())
for name in posthoc.CALIBRATORS:
    fitted = posthoc.build(name).fit(val_logits, val_labels)
    print(name, pickle.loads(pickle.dumps(fitted)).confidence(val_logits).sum())
print(list(calibration.SCORES), calibration.summary(val_logits, val_labels))
print(calibration.bootstrap(val_logits, val_labels, num_resamples=20))
"""
NOTHING_ELSE = """
import sys
assert not {"losses", "calibration", "posthoc", "matplotlib"} & {name.split(".")[0] for name in sys.modules}
"""


def below(prefix: str, code: str) -> str:
    """Code that imports our libraries below a prefix."""
    return re.sub(rf"^from ({'|'.join(LIBRARIES)}) ", rf"from {prefix}\1 ", code, flags=re.MULTILINE)


def everything(prefix: str) -> str:
    imports = [f"import {prefix}{name} as {name}\n" for name in sorted(LIBRARIES)]
    return "".join(imports) + GIVEN + EVERYTHING


def run(code: str, folder: Path, path: Path) -> str:
    """What code prints in a folder, with `path` among those that Python imports from."""
    environment = os.environ | {"PYTHONPATH": str(path), "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=HANGS)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pip(*arguments: str | Path) -> subprocess.CompletedProcess:
    """Pip without a network: what the build needs is there."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANGS)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the checkout, in which pip may leave what it builds."""
    return shutil.copytree(ROOT, tmp_path_factory.mktemp("source") / "checkout", ignore=LEFT_OUT)


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    done = pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, source)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = folder.glob("adafocal-*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder that the wheel is installed to."""
    folder = tmp_path_factory.mktemp("installed")
    done = pip("install", "--no-deps", "--no-index", "--target", folder, wheel)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_a_wheel_holds_the_libraries_alone(wheel):
    files = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert files == FILES | {"adafocal/__init__.py"}


@pytest.mark.slow
def test_the_readmes_example_runs_from_an_empty_folder(installed, tmp_path):
    section = (ROOT / "README.md").read_text().split("## The loss in your own code")[1].split("\n## ")[0]
    loss, metrics = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    run(GIVEN + below("adafocal.", loss + metrics), tmp_path, installed)


@pytest.mark.slow
def test_everything_gives_what_the_checkout_gives_and_imports_nothing_else(installed, tmp_path):
    assert run(everything("adafocal.") + NOTHING_ELSE, tmp_path, installed) == run(everything(""), tmp_path, ROOT)


@pytest.mark.slow
def test_an_editable_installation_is_refused_in_one_line(source, tmp_path):
    done = pip("install", "--no-deps", "--no-build-isolation", "--no-index", "--target", tmp_path, "-e", source)
    assert done.returncode != 0
    assert "error: adafocal cannot be installed with -e" in done.stderr
    assert not list(tmp_path.iterdir())


def test_imports_are_renamed_and_nothing_else():
    renamed = runpy.run_path(str(ROOT / "setup.py"))["renamed"]
    source = (
        '"""\nfrom losses to scores\n"""\nfrom losses import a\ndef f():\n    from calibration.b import (\n        c)\n'
    )
    expected = source.replace("from losses import", "from adafocal.losses import")
    assert renamed(source, LIBRARIES) == expected.replace("calibration.b", "adafocal.calibration.b")
    assert renamed(renamed(source, LIBRARIES), LIBRARIES) == renamed(source, LIBRARIES)
    other = "import torch\nfrom calibrations import a\nfrom torch import losses\n"
    assert renamed(other, LIBRARIES) == other
    with pytest.raises(ValueError, match=r"line 1: write `from losses.base import ...`"):
        renamed("import losses.base\n", LIBRARIES)


def test_it_needs_what_the_libraries_import_in_the_versions_of_the_requirements():
    roots = set()
    for path in (path for name in LIBRARIES for path in (ROOT / name).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                roots |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                roots.add(node.module.split(".")[0])
    needed = {NAMES.get(root, root) for root in roots - LIBRARIES - sys.stdlib_module_names}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["diagram"]]
    assert {line.split(">=")[0] for line in declared} == needed
    lines = {line.split()[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if line[0] != "#"}
    assert set(declared) <= lines
