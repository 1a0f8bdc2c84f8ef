"""How long the scores and calibrators take on this machine: `make bench`.

Ratios are to what the limits of the design allow, measured in this one run, so below 1 is good.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from calibration import bootstrap, classwise_ece, ece_debias, ece_em, ece_ew, ece_sweep
from experiments import files
from experiments.provenance import environment
from posthoc import build


def best_of(function: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of some calls, after one that warms up."""
    function()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def outcomes(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Confidences of an over-confident model, and which predictions are right."""
    rng = np.random.default_rng(0)
    confidence = rng.beta(5, 1, n).clip(0.1, 1)
    return confidence, rng.random(n) < confidence - 0.05 * confidence * (1 - confidence)


def predictions(n: int, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Over-confident float32 logits [n, k], and labels."""
    rng = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(n, k, generator=rng)
    gumbel = -torch.log(-torch.log(torch.rand(n, k, generator=rng).clamp(1e-9, 1 - 1e-7)))
    return 2 * logits, (logits + gumbel).argmax(1)


def four_eces(confidence: np.ndarray, correct: np.ndarray) -> None:
    """ECE by equal width and equal mass, debiased, and by sweep."""
    ece_ew(confidence, correct)
    ece_em(confidence, correct)
    ece_debias(confidence, correct)
    ece_sweep(confidence, correct, "em")


def rows(large: bool) -> list[dict]:
    """What is timed: what it is, seconds, the design's limit in seconds, and the ratio of the two."""
    million, few, some = outcomes(1_000_000), predictions(5000, 100), predictions(100_000, 10)
    timed: list[tuple[str, Callable[[], object], float | None, int]] = [
        ("four ECEs of 1,000,000 samples", lambda: four_eces(*million), 0.5, 3),
        ("classwise ECE of 100,000 x 10", lambda: classwise_ece(*some), 0.025, 5),
        ("bootstrap of all scores, 1,000 x (10,000 x 10)", lambda: bootstrap(*(a[:10_000] for a in some)), None, 1),
        ("temperature grid on 5,000 x 100", lambda: build("ts").fit(*few), 0.25, 3),
        ("spline on 5,000 x 100", lambda: build("spline").fit(*few), 0.006, 5),
        *((f"{name} on 5,000 x 100", lambda name=name: build(name).fit(*few), None, 1)
          for name in ("ts-nll", "ets", "histogram", "isotonic", "vector", "dirichlet")),
    ]  # fmt: skip
    if large:
        many = predictions(50_000, 1000)
        timed += [
            ("ETS on 50,000 x 1,000", lambda: build("ets").fit(*many), 4.0, 1),
            ("temperature grid on 50,000 x 1,000", lambda: build("ts").fit(*many), 20.0, 1),
        ]
    found = []
    for name, function, limit, repeats in timed:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            seconds = best_of(function, repeats)
        found.append({"what": name, "seconds": seconds, "limit": limit, "ratio": limit and seconds / limit})
        print(line(found[-1]), flush=True)
    return found


def line(row: dict) -> str:
    """A row of the Markdown table."""
    limit, ratio = (f"{row[name]:.3g}" if row[name] else "–" for name in ("limit", "ratio"))
    return f"| {row['what']} | {row['seconds']:.4f} | {limit} | {ratio} |"


HEADER = "| what | seconds | limit | ratio |\n| --- | ---: | ---: | ---: |"


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.bench",
        description="Time the scores and calibrators on one thread; writes OUT/bench.md and OUT/bench.json.",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("out"), help="where to write (default: out/)")
    parser.add_argument("--small", action="store_true", help="leave out the 50,000 x 1,000 sets, which take 3 GB")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(HEADER)
    found, machine = rows(large=not options.small), environment(torch.device("cpu"))
    options.out.mkdir(parents=True, exist_ok=True)
    notes = f"One thread of {machine['device']}, torch {machine['packages']['torch']}; best of a few calls."
    text = "\n".join([HEADER, *map(line, found), "", notes, ""])
    files.write_bytes(options.out / "bench.md", text.encode())
    files.write_bytes(options.out / "bench.json", (json.dumps({"rows": found, "machine": machine}, indent=2)).encode())
    print(f"{notes}\nwritten: {options.out / 'bench'}.md, .json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
