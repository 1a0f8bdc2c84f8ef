"""Imports point one way, between packages and inside them; files stay readable."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# A package imports only those that come after it.
ORDER = ("figures", "experiments", "models", "data", "losses", "posthoc", "calibration")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ORDER
    for path in sorted((ROOT / package).rglob("*.py"))
}


def imported(module: str) -> set[str]:
    """The modules of ours that a module imports, wherever in its file."""
    path, found = MODULES[module], set()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            for alias in node.names:  # `from package import module` imports the module, not what the package imports
                name = f"{base}.{alias.name}"
                found.add(name if name in MODULES else base)
    return found & MODULES.keys() - {module}


GRAPH = {module: imported(module) for module in MODULES}


def test_no_package_imports_one_above_it():
    upward = [
        f"{module} imports {other}"
        for module, others in GRAPH.items()
        for other in others
        if ORDER.index(other.split(".")[0]) < ORDER.index(module.split(".")[0])
    ]
    assert upward == []


def test_no_circle():
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module not in done:
            for other in GRAPH[module]:
                visit(other, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("package", ["losses", "calibration", "posthoc"])
def test_the_library_knows_no_files_and_no_command_lines(package):
    for module, path in MODULES.items():
        if module.split(".")[0] == package:
            names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
            assert not names & {"open", "argparse", "Path"}, module


def test_the_repository_stays_small():
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git checkout")
    paths = [ROOT / name for name in listed.split("\0") if name]
    assert sum(path.stat().st_size for path in paths if path.is_file()) < 25 * 2**20


def test_files_have_at_most_300_lines():
    files = [*MODULES.values(), *(ROOT / "tests").rglob("*.py")]
    assert [path for path in files if len(path.read_text().splitlines()) > 300] == []
