"""Train one run: `python -m experiments.train --help`."""

import argparse
import os
import sys
import traceback

import data
from experiments import scales
from experiments.command import (
    INTERRUPTED,
    PREEMPTED,
    REFUSED,
    a_path,
    add_session_options,
    pick_device,
    until_nobody_reads,
)
from experiments.grid import Run
from experiments.methods import METHODS
from experiments.training import distributed
from experiments.training.errors import EXPLAINED, Preempted
from experiments.training.job import train
from experiments.training.progress import EpochProgress
from experiments.training.session import Session
from experiments.training.signals import noticed
from models import MODELS

__all__ = ["main", "train"]


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.train",
        description="Train one run and leave its record in RUNS/<scale>/<dataset>/<model>/<method>/seed<k>/. "
        "A finished run is not trained again; one that was cut short goes on from its last checkpoint and ends in "
        "the same record as if it had never stopped.",
        epilog="example: python -m experiments.train --dataset cifar10 --model resnet50 --method adafocal --seed 0 "
        "--scale paper --data-root ~/datasets. Several GPUs on one run: torchrun --nproc_per_node=4 -m "
        "experiments.train ...; the batch is the recipe's, shared among them. Exit status: 0 finished, 2 refused, 75 "
        "stopped by SIGTERM, SIGUSR1 or SIGUSR2 after a checkpoint, 130 interrupted.",
    )
    parser.add_argument("--dataset", required=True, help=f"one of {', '.join(data.DATASETS)}")
    parser.add_argument("--model", required=True, help=f"one of {', '.join(MODELS)}")
    parser.add_argument("--method", required=True, help=f"one of {', '.join(METHODS)}")
    parser.add_argument("--seed", type=int, default=0, help="of initialisation, order and augmentation (default: 0)")
    scales.add_option(parser)
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="override a value of the recipe, e.g. --set epochs=4 --set loss_options.lam=2; may be given again. The "
        "run's folder is named after it, so it never fills a table's cell",
    )
    parser.add_argument(
        "--pretrained",
        metavar="DIR",
        type=a_path,
        help="folder of the pretrained encoder to fine-tune, with config.json, model.safetensors and its tokenizer "
        "(default: the recipe's, in the data root); with another name than the recipe's encoder, it is an override",
    )
    add_session_options(parser)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _arguments().parse_args(arguments)
    try:
        overrides = list(options.overrides)
        if options.pretrained:
            overrides.append(f"pretrained={options.pretrained.absolute().name}")
        run = Run.make(
            scales.resolve(options), options.dataset, options.model, options.method, options.seed, tuple(overrides)
        )
        device = options.device = pick_device(options.device)
        recipe = run.recipe
        first = int(os.environ.get("RANK", "0")) == 0
        if first:
            print(f"{run} on {device}: {recipe.epochs} epochs -> {run.folder(options.runs)}", flush=True)
        late = [milestone for milestone in recipe.milestones if milestone >= recipe.epochs]
        if late and first:
            print(f"note: milestones {late} lie beyond the last of {recipe.epochs} epochs: lr stays as it is there")
        world = distributed.start(device)
        if device == "cuda" and world.size > 1:
            options.device = f"cuda:{world.local_rank}"
        with EpochProgress(recipe.epochs, quiet=not world.writes) as progress, noticed() as should_stop:
            session = Session.of(
                options,
                pretrained=options.pretrained,
                say=progress.say,
                on_epoch=progress,
                should_stop=should_stop,
                world=world,
            )
            result = train(run, session)
        world.agreed(None)  # none leaves while another still needs it
    except Preempted as stopped:  # in every process
        print(f"{stopped}: the same command goes on from there", file=sys.stderr)
        distributed.stop()
        return PREEMPTED
    except (ValueError, *EXPLAINED) as error:
        print(f"error: {error}", file=sys.stderr)
        return distributed.abandon(REFUSED)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return distributed.abandon(INTERRUPTED)
    except BaseException:
        traceback.print_exc()
        return distributed.abandon(1)
    distributed.stop()
    if not world.writes:
        return 0
    test, scaled = result["test"], result["test_scaled"]
    print(
        f"test error {100 * test['error']:.2f} %, ECE_EM ({recipe.num_bins} bins) {100 * test['ece_em']:.2f} % before "
        f"and {100 * scaled['ece_em']:.2f} % after temperature scaling (T = {result['temperature']:.1f})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(until_nobody_reads(main))
