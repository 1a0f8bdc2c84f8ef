"""`python -m experiments.bench`: time everything, print ratios, write OUT/bench.md and OUT/bench.json."""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

import torch

from experiments.bench import losses, peers, scores, texts, training
from experiments.bench.table import HEADER, line, markdown
from experiments.bench.timing import Row
from experiments.command import add_out, refusing, until_nobody_reads
from experiments.records import files
from experiments.records.provenance import environment

PARTS = ("losses", "scores", "peers", "training", "texts")


def measure(part: str, device: torch.device, small: bool) -> Iterator[Row]:
    """The rows of one part."""
    if part == "losses":
        return losses.rows(device)
    if part == "scores":
        return scores.rows(large=not small)
    if part == "peers":
        return peers.rows()
    return texts.rows(device) if part == "texts" else training.rows(device)


@refusing()
def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.bench",
        description="Time losses, scores, calibrators and training, as ratios within this run. Below what is allowed "
        "is good. On a GPU the losses and the training are timed there, the rest on one thread of the CPU.",
    )
    add_out(parser)
    parser.add_argument("--only", choices=PARTS, action="append", help="only this part; may be given again")
    parser.add_argument("--small", action="store_true", help="leave out the 50,000 x 1,000 sets, which take 3 GB")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)  # before the minutes of measuring
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found: list[Row] = []
    for part in options.only or PARTS:
        for row in measure(part, device, options.small):
            if not found or found[-1].group != row.group:
                print(f"\n{row.group}\n{HEADER}")
            found.append(row)
            print(line(row), flush=True)
    costs = training.largest_costs(device) if "training" in (options.only or PARTS) else []
    machine = environment(device)
    notes = f"One thread of {environment(torch.device('cpu'))['device']}"
    notes += f" and {machine['device']}" if device.type == "cuda" else ""
    notes += f", torch {machine['packages']['torch']}; of two functions the turn with the median ratio, of one the "
    notes += "fastest call."
    text = markdown(found, costs, notes)
    files.write_bytes(options.out / "bench.md", text.encode())
    content = {
        "rows": [asdict(row) | {"ratio": row.ratio} for row in found],
        "costs": costs,
        "notes": notes,
        "machine": machine,
    }
    files.write_bytes(options.out / "bench.json", json.dumps(content, indent=2).encode())
    print("\n" + "\n".join(text.splitlines()[-3:]))
    print(f"written: {options.out / 'bench'}.md, .json")
    return 0


if __name__ == "__main__":
    sys.exit(until_nobody_reads(main))
