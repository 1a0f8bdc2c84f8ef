"""What the commands share: exit statuses, options, and the broken pipe."""

import argparse
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import torch

from data.files.terminal import print_what_can_be, warn_in_a_line

REFUSED = 2  # exit status where the input, or what was found on disk, is at fault
INTERRUPTED = 130  # exit status after Ctrl-C
PREEMPTED = 75  # exit status after SIGTERM, SIGUSR1 or SIGUSR2 (EX_TEMPFAIL): start the same command again

if "ipykernel" not in sys.modules:
    os.environ["MPLBACKEND"] = "Agg"  # no command opens a window, and matplotlib cannot be imported with a wrong one


def a_path(text: str) -> Path:
    """A path of the command line. Shells leave the ~ of --runs=~/runs alone."""
    return Path(text).expanduser()


def until_nobody_reads(main: Callable[[], int]) -> int:
    """Run a command and return its exit status. A broken pipe (`... | head`) gives 141 and no message, as SIGPIPE does.

    What the terminal or log cannot show becomes a question mark there.
    """
    print_what_can_be()
    warn_in_a_line()
    try:
        status = main()
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return 128 + signal.SIGPIPE


def refusing(*others: type[Exception]) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """For a command's `main`: bad input or files are one line on stderr and exit status `REFUSED`.

    Args:
        others: errors that are answered so, beside ValueError and OSError.
    """

    def decorate(main: Callable[..., int]) -> Callable[..., int]:
        @wraps(main)
        def refusing_main(arguments: list[str] | None = None) -> int:
            try:
                return main(arguments)
            except BrokenPipeError:  # an OSError, which `until_nobody_reads` answers
                raise
            except (ValueError, OSError, *others) as error:
                print(f"error: {error}", file=sys.stderr)
                return REFUSED

        return refusing_main

    return decorate


def add_runs(parser: argparse.ArgumentParser) -> None:
    """`--runs`, the folder of the records."""
    parser.add_argument("--runs", metavar="DIR", type=a_path, default=Path("runs"), help="run records (default: runs/)")


def add_out(parser: argparse.ArgumentParser) -> None:
    """`--out`, the folder of what is made from them."""
    parser.add_argument("--out", metavar="DIR", type=a_path, default=Path("out"), help="where to write (default: out/)")


def add_session_options(parser: argparse.ArgumentParser) -> None:
    """The options of every command that trains; `Session.of` takes them."""
    parser.add_argument(
        "--data-root", metavar="DIR", help="where datasets lie (default: $ADAFOCAL_DATA, else datasets/)"
    )
    add_runs(parser)
    parser.add_argument(
        "--device", metavar="{cpu,cuda,cuda:N}", help="where to train (default: cuda where there is one)"
    )
    parser.add_argument(
        "--checkpoint-seconds",
        metavar="S",
        type=float,
        default=60.0,
        help="shortest time between two checkpoints, taken at an epoch's end (default: 60; 0 = every epoch)",
    )
    parser.add_argument(
        "--download", action="store_true", help="fetch the dataset and the pretrained encoder if they are missing"
    )


def session_text(options: argparse.Namespace, device: str | None) -> str:
    """The options of `add_session_options` as they were typed, where they are not the defaults.

    Args:
        options: parsed.
        device: what --device said.
    """
    parser = argparse.ArgumentParser()
    add_session_options(parser)
    usual, given = vars(parser.parse_args([])), vars(options) | {"device": device}
    words = []
    for name in usual:
        if given[name] != usual[name]:
            flag = f"--{name.replace('_', '-')}"
            words.append(flag if given[name] is True else f"{flag} {shlex.quote(str(given[name]))}")
    return "".join(f" {word}" for word in words)


def pick_device(name: str | None) -> str:
    """The device to train on.

    Raises:
        ValueError: another name than cpu, cuda or cuda:N, or a CUDA device that is not there.
    """
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise ValueError(f"--device must be cpu, cuda or cuda:N, got {name!r}")
    if name != "cpu" and not torch.cuda.is_available():
        raise ValueError(f"--device {name}: torch sees no CUDA device here; use --device cpu")
    if int(name.partition(":")[2] or 0) >= (count := torch.cuda.device_count()) and name != "cpu":
        raise ValueError(f"--device {name}: torch sees {count} CUDA devices, cuda:0 to cuda:{count - 1}")
    return name
