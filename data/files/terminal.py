"""What commands print: characters that cannot be shown, and warnings."""

import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[2]
_formatted = warnings.formatwarning


def print_what_can_be() -> None:
    """Let a terminal or log of ASCII or latin-1 show a question mark for what it cannot, and no command fail."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def warn_in_a_line() -> None:
    """Let warnings of this project be a line without its place in the code; those of others keep theirs."""

    def formatted(message, category, filename, lineno, line=None) -> str:
        if Path(filename).is_relative_to(ROOT) and ".venv" not in Path(filename).parts:
            return f"warning: {message}\n"
        return _formatted(message, category, filename, lineno, line)

    warnings.formatwarning = formatted
