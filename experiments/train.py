"""Train one run: `python -m experiments.train --help`."""

import argparse
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

import data
from experiments import checkpoint, distributed, files, records, scales, status
from experiments.distributed import ALONE, World
from experiments.grid import Run
from experiments.lock import RunIsLocked, only_writer
from experiments.progress import EpochProgress
from experiments.recipes import METHODS
from experiments.signals import noticed
from experiments.speed import choose
from experiments.trainer import CannotResume, Preempted, Training, TrainingDiverged
from models import MODELS

REFUSED = 2  # exit status where the input, or what was found on disk, is at fault
INTERRUPTED = 130  # exit status after Ctrl-C
PREEMPTED = 75  # exit status after SIGTERM, SIGUSR1 or SIGUSR2 (EX_TEMPFAIL): start the same command again


class OutOfMemory(RuntimeError):
    """The memory of the device, or of the machine, is too small."""


EXPLAINED = (
    RunIsLocked,
    CannotResume,
    TrainingDiverged,
    OutOfMemory,
    OSError,
)  # errors whose message is all the user needs


def train(
    run: Run,
    data_root: str | None = None,
    runs: Path = Path("runs"),
    device: torch.device | str = "cpu",
    checkpoint_seconds: float = 60.0,
    download: bool = False,
    pretrained: Path | None = None,
    say: Callable[[str], None] = print,
    on_epoch: Callable[[dict], None] = lambda row: None,
    should_stop: Callable[[], bool] = lambda: False,
    world: World = ALONE,
) -> dict:
    """Train a run unless its finished record is there; a run cut short goes on from its checkpoint.

    Nothing is written before the data and the options are known to be sound.

    Args:
        run: what to train.
        data_root: where datasets lie; None takes `data.load`'s default.
        runs: the folder of run records.
        device: where to train.
        checkpoint_seconds: shortest time between two checkpoints.
        download: fetch a missing dataset or pretrained encoder.
        pretrained: folder of the recipe's pretrained encoder; None looks in the data root.
        say: gets a line for what the user should know.
        on_epoch: called after every epoch with its row of `history.csv`.
        should_stop: asked after every step; once it says yes, the run writes a checkpoint and stops.
        world: the processes that train it together.

    Returns:
        `result.json`.

    Raises:
        ValueError: data or options that do not fit; `records.RecordError` for a record of another recipe.
        RunIsLocked, CannotResume, TrainingDiverged, Preempted, OutOfMemory: see there.
    """
    folder = run.folder(runs)
    if (found := _first(world, lambda: _finished(run, folder, say))) is not None:
        return found
    recipe, device = run.recipe, torch.device(device)
    if device.index is not None:
        torch.cuda.set_device(device)  # what names no device, as pinning memory, shall not open another one
    choose(
        recipe.precision, recipe.compile, device, deterministic=recipe.deterministic
    )  # refuses what the device cannot do
    with _failure_noted(folder, runs, world), _memory_explained(run, device), ExitStack() as held:
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        options = dict(recipe.data_options)
        if recipe.pretrained:
            pretrained = data.find_encoder(recipe.pretrained, data.data_root(data_root), pretrained, download)
            options |= {"tokenizer": str(pretrained)}
        source = {"root": data_root, "seed": recipe.split_seed, "download": download}
        splits = _load(world, lambda: data.load(recipe.dataset, **source, **options))
        _first(world, lambda: _hold(folder, held))
        found = _first(world, lambda: _finished(run, folder, say))  # by the process that held the lock before us
        if found is not None:
            return found
        training = Training(
            run,
            splits,
            folder,
            device,
            pretrained,
            checkpoint_seconds,
            say=say,
            on_epoch=on_epoch,
            should_stop=should_stop,
            world=world,
        )
        result = training.run()
        _first(world, lambda: (folder / checkpoint.PREVIOUS).unlink(missing_ok=True))
        return result


@contextmanager
def _memory_explained(run: Run, device: torch.device) -> Iterator[None]:
    """Say in one line what to change where memory does not suffice."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise OutOfMemory(
            f"{run}: out of memory on {device} ({reason}): train fewer runs at once (--workers), share the batch among "
            "GPUs (torchrun), or score fewer samples at once (--set eval_batch_size=...)"
        ) from None


@contextmanager
def _failure_noted(folder: Path, runs: Path, world: World) -> Iterator[None]:
    """Leave in the run's folder why it failed, for `experiments.status --failed`; refused input makes no folder."""
    try:
        yield
    except (RunIsLocked, Preempted):
        raise
    except Exception as error:
        explained = isinstance(error, (ValueError, *EXPLAINED))
        if world.writes and isinstance(error, ValueError):
            files.remove_empty(folder, runs)  # made for the lock before the model or the loss was refused
        if world.writes and (folder.is_dir() or not explained):
            with suppress(OSError):  # on a full disk
                status.note_failure(folder, str(error) if explained else f"{type(error).__name__}: {error}")
        raise


def _hold(folder: Path, held: ExitStack) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        held.enter_context(only_writer(folder))
    except OSError as error:
        error.filename = error.filename or str(folder)  # a full disk does not say where
        raise
    status.clear_failure(folder)
    files.remove_half_written(folder, (*records.FILES, checkpoint.NEW, checkpoint.SUMS))


def _first(world: World, what: Callable[[], Any]) -> Any:
    """What the process of rank 0 alone does, or finds out; an error of its is an error of all."""
    result = error = None
    if world.writes:
        try:
            result = what()
        except (ValueError, *EXPLAINED) as raised:
            error = raised
    result, error = world.agreed((result, error))
    if error is not None:
        raise error
    return result


def _load(world: World, load: Callable[[], data.Splits]) -> data.Splits:
    """The splits in every process: those of photographs from the first, which alone lists the files and their sizes.

    On a network file system a million of them take minutes. Other splits are read by all, once the first has filled
    their cache.
    """
    own: list[data.Splits] = []

    def first() -> data.Splits | None:
        own.append(load())
        if world.size == 1 or not isinstance(own[0].train, data.LazySplit):
            return None
        for split in own[0]:
            _ = split.fingerprint  # goes along
        return own[0]

    sent = _first(world, first)
    return sent or (own[0] if own else load())


def _finished(run: Run, folder: Path, say: Callable[[str], None]) -> dict | None:
    if not records.is_finished(folder):
        return None
    try:
        return records.read(folder, run).result
    except records.RecordError as error:
        if "another recipe" in str(error):  # somebody's numbers: not ours to overwrite
            raise
        say(f"{error}: training it again")
        (folder / records.RESULT).unlink()
        return None


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """The options of every command that trains."""
    parser.add_argument(
        "--data-root", metavar="DIR", help="where datasets lie (default: $ADAFOCAL_DATA, else datasets/)"
    )
    parser.add_argument("--runs", metavar="DIR", type=Path, default=Path("runs"), help="run records (default: runs/)")
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
        type=Path,
        help="folder of the pretrained encoder to fine-tune, with config.json, model.safetensors and its tokenizer "
        "(default: the recipe's, in the data root); with another name than the recipe's encoder, it is an override",
    )
    add_common_options(parser)
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
        device = pick_device(options.device)
        recipe = run.recipe
        first = int(os.environ.get("RANK", "0")) == 0
        if first:
            print(f"{run} on {device}: {recipe.epochs} epochs -> {run.folder(options.runs)}", flush=True)
        late = [milestone for milestone in recipe.milestones if milestone >= recipe.epochs]
        if late and first:
            print(f"note: milestones {late} lie beyond the last of {recipe.epochs} epochs: lr stays as it is there")
        world = distributed.start(device)
        if device == "cuda" and world.size > 1:
            device = f"cuda:{world.local_rank}"
        with EpochProgress(recipe.epochs, quiet=not world.writes) as progress, noticed() as should_stop:
            result = train(
                run,
                data_root=options.data_root,
                runs=options.runs,
                device=device,
                checkpoint_seconds=options.checkpoint_seconds,
                download=options.download,
                pretrained=options.pretrained,
                say=progress.say,
                on_epoch=progress,
                should_stop=should_stop,
                world=world,
            )
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
    sys.exit(main())
