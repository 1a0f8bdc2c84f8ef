"""What `pip install` builds: the libraries under one name, `adafocal`; pyproject.toml says which.

In the checkout they import each other by their own names (`from losses.base import Loss`); in the copies that are
packed that becomes `from adafocal.losses.base import Loss`.
"""

import ast
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

NAME = "adafocal"
INIT = f'"""AdaFocal\'s libraries: `{NAME}.losses`, `{NAME}.calibration`, `{NAME}.posthoc`."""\n'


def renamed(source: str, libraries: set[str]) -> str:
    """A module's source with its imports from `libraries` made imports from those below `NAME`.

    Raises:
        ValueError: an import that binds a library's own name, such as `import losses.base`.
    """
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for name in (alias.name for alias in node.names if alias.name.split(".")[0] in libraries):
                raise ValueError(f"line {node.lineno}: write `from {name} import ...` in place of `import {name}`")
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module.split(".")[0] in libraries:
            i = node.lineno - 1
            lines[i] = lines[i].replace(f"from {node.module}", f"from {NAME}.{node.module}", 1)
    return "".join(lines)


class BuildUnderOneName(build_py):
    """Copies the libraries with their imports renamed."""

    def run(self) -> None:
        """Build, unless editable: that would take the checkout's files as they are, with imports that do not fit."""
        if self.editable_mode:
            sys.exit(f"error: {NAME} cannot be installed with -e: work in the checkout, or install it without -e")
        super().run()
        (Path(self.build_lib) / NAME / "__init__.py").write_text(INIT, encoding="utf-8")

    def build_module(self, module, module_file, package):
        """Copy one module."""
        copy, copied = super().build_module(module, module_file, package)
        libraries = {name.removeprefix(f"{NAME}.") for name in self.packages}
        source = Path(copy).read_text(encoding="utf-8")
        try:
            Path(copy).write_text(renamed(source, libraries), encoding="utf-8")
        except ValueError as error:
            sys.exit(f"error: {module_file}, {error}")
        return copy, copied


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildUnderOneName})
