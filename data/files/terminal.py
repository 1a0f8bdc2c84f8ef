"""What is printed where not every character can be."""

import sys


def print_what_can_be() -> None:
    """Let a terminal or log of ASCII or latin-1 show a question mark for what it cannot, and no command fail."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
