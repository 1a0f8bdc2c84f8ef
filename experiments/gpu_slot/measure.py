"""The measurements of a slot, one a call, each printed as JSON the moment it is there."""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import torch

from experiments.bench.timing import best_of, side_by_side
from experiments.bench.training import CIFAR_NETS, ROOFLINE, bare_loop, largest_costs, steps_of, training_of
from experiments.command import pick_device, refusing
from experiments.records.provenance import environment

IMAGES, TINY = 2_560, 256  # that are trained on, on a GPU and on a CPU


def say(**found) -> None:
    """A line of results."""
    print(json.dumps(found), flush=True)


def machine(device: torch.device) -> None:
    """Versions, the card, and what it copies and multiplies in a second."""
    say(environment=environment(device))
    cuda = device.type == "cuda"
    if cuda:
        card = torch.cuda.get_device_properties(device)
        say(card=card.name, gib=round(card.total_memory / 2**30, 1), capability=[card.major, card.minor])
    source = torch.empty(2**30 if cuda else 2**26, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = best_of(lambda: target.copy_(source), 5)
    say(copy_gb_per_second=round(2 * len(source) / seconds / 1e9, 1))  # read and written
    n = 8192 if cuda else 512
    for name, dtype, tf32 in (("bf16", torch.bfloat16, False), ("tf32", None, True), ("float32", None, False)):
        if not cuda and name != "float32":
            continue
        torch.backends.cuda.matmul.allow_tf32 = tf32
        matrix = torch.randn(n, n, device=device, dtype=dtype)
        seconds = best_of(lambda a=matrix: a @ a, 5)
        say(**{f"matmul_{name}_tflops": round(2 * n**3 / seconds / 1e12, 2)})


def speed(device: torch.device) -> None:
    """Images a second of the training loop, of the bare loop and with CUDA graphs, and the largest kernels."""
    cuda = device.type == "cuda"
    for net in CIFAR_NETS if cuda else ("resnet8",):
        with tempfile.TemporaryDirectory() as folder:
            training = training_of(net, IMAGES if cuda else TINY, "adafocal", device, Path(folder))
            steps, count = steps_of(training), len(training.train)
            ours, floor = side_by_side(
                steps, bare_loop(training, len(training.batch_sizes), training.recipe.batch_size), rounds=3
            )
            found = {
                "images_per_second": round(count / ours),
                "bare_loop": round(count / floor),
                "roofline": ROOFLINE.get(net) if cuda else None,
                "precision": training.speed.precision,
            }
            say(**{net: found})
            if cuda:
                graphed = steps_of(training_of(net, IMAGES, "adafocal", device, Path(folder), "cuda_graph=true"))
                found["cuda_graph"] = round(count / best_of(graphed, 3))
                say(**{net: found})
    say(largest_kernels=[[name, round(share, 3)] for name, share in largest_costs(device)])


def compiled(device: torch.device, net: str = "resnet50") -> None:
    """Images a second of the training loop with `compile=true`, and what that costs at the start."""
    count = IMAGES if device.type == "cuda" else TINY
    with tempfile.TemporaryDirectory() as folder:
        steps = steps_of(training_of(net, count, "adafocal", device, Path(folder), "compile=true"))
        begin = time.monotonic()
        steps()
        say(seconds_of_the_first_steps=round(time.monotonic() - begin, 1))
        say(images_per_second=round(count / best_of(steps, 3)))


MEASUREMENTS = {"machine": machine, "speed": speed, "compiled": compiled}


@refusing()
def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m experiments.gpu_slot.measure", description=__doc__)
    parser.add_argument("name", choices=MEASUREMENTS)
    parser.add_argument("--device", default="cuda", help="cpu or cuda (default: cuda)")
    options = parser.parse_args(arguments)
    MEASUREMENTS[options.name](torch.device(pick_device(options.device)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
