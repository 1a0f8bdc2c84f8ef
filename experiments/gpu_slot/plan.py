"""What is done in a slot, in which order and for how long."""

import sys
from dataclasses import dataclass
from pathlib import Path

from experiments.records.provenance import ROOT

LAST = 30  # seconds before the end at which what still trains is asked to stop


@dataclass(frozen=True)
class Part:
    """A command with the time it may take.

    Attributes:
        name: of its results.
        seconds: its time box; it may be given less, never more.
        command: the program and its arguments. Lines of JSON objects on its output are results.
        trains: whether it leaves records, and stops after a checkpoint when it is asked to.
    """

    name: str
    seconds: float
    command: tuple[str, ...]
    trains: bool = False


def _python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-u", "-m", *arguments)


def _evidence(name: str, runs: Path, data: str | None, device: str, *choice: str) -> Part:
    where = ("--runs", str(runs), "--device", device, *(("--data-root", data) if data else ()))
    return Part(name, 3600, _python("experiments.run", "--for", "table1", *choice, *where), trains=True)


def plan(device: str, runs: Path, data: str | None) -> list[Part]:
    """The parts of a slot, the most telling first; on a CPU those that it can do, with tiny nets.

    Args:
        device: "cpu" or "cuda".
        runs: where records go.
        data: the data root, None for the default.
    """

    def measure(name: str, seconds: float) -> Part:
        return Part(name, seconds, _python("experiments.gpu_slot.measure", name, "--device", device))

    def evidence(name: str, *choice: str) -> Part:
        return _evidence(name, runs, data, device, *choice)

    if device == "cpu":
        demo = ("--scale", "demo", "--dataset", "digits", "--model", "resnet8", "--workers", "1")
        return [measure("machine", 40), measure("speed", 40), evidence("digits", *demo)]
    holding = sorted(str(path) for path in (ROOT / "tests").rglob("test_*.py") if "mark.gpu" in path.read_text())
    pytest = ("pytest", "-m", "gpu", "-k", "not compiled", "-vv", "--tb=line", "-p", "no:cacheprovider")
    texts = ("--scale", "paper", "--dataset", "newsgroups", "--model", "cnn", "--seeds", "3", "--workers", "8")
    images = ("--scale", "quick", "--dataset", "cifar10", "--model", "resnet50", "--seed", "0")
    return [
        measure("machine", 30),
        Part("tests", 90, _python(*pytest, *holding)),
        measure("speed", 120),
        measure("compiled", 80),
        evidence("newsgroups", *texts),
        *(evidence(f"cifar10 {method}", *images, "--method", method) for method in ("adafocal", "ce", "flsd53")),
    ]


def preparations(device: str, data: str | None) -> dict[str, Part]:
    """What the CPUs do meanwhile, by dataset: decode and tokenise it into the cache of the data root."""
    where = ("--data-root", data) if data else ()
    datasets = ("newsgroups", "cifar10") if device != "cpu" else ()
    return {name: Part(f"{name} made ready", 600, _python("data", name, "--no-download", *where)) for name in datasets}
