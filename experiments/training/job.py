"""Train one run unless its record is there: the lock, the data, the loop, the record."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import data
from experiments import records
from experiments.grid import Run
from experiments.records import failure, files
from experiments.records.lock import RunIsLocked, only_writer
from experiments.training import checkpoint, outcome
from experiments.training.distributed import World
from experiments.training.errors import EXPLAINED, OutOfMemory, Preempted
from experiments.training.loop import Training
from experiments.training.precision import choose
from experiments.training.session import Session

PLAIN = Session()


def train(run: Run, session: Session = PLAIN) -> dict:
    """Train a run unless its finished record is there; a run cut short goes on from its checkpoint.

    Nothing is written before the data and the options are known to be sound.

    Args:
        run: what to train.
        session: where and how.

    Returns:
        `result.json`.

    Raises:
        ValueError: data or options that do not fit; `records.RecordError` for a record of another recipe.
        RunIsLocked, CannotResume, TrainingDiverged, Preempted, OutOfMemory: see there.
    """
    folder, world, recipe = run.folder(session.runs), session.world, run.recipe
    if (found := _first(world, lambda: _finished(run, folder, session.say))) is not None:
        return found
    device = torch.device(session.device)
    if device.index is not None:
        torch.cuda.set_device(device)  # what names no device, as pinning memory, shall not open another one
    # refuses what the device cannot do
    choose(recipe.precision, recipe.compile, device, deterministic=recipe.deterministic)
    with _failure_noted(folder, session.runs, world), _memory_explained(run, device), ExitStack() as held:
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        options = dict(recipe.data_options)
        if recipe.pretrained:
            root = data.data_root(session.data_root)
            encoder = data.find_encoder(recipe.pretrained, root, session.pretrained, session.download)
            session = replace(session, pretrained=encoder)
            options |= {"tokenizer": str(encoder)}
        source = {"root": session.data_root, "seed": recipe.split_seed, "download": session.download}
        splits = _load(world, lambda: data.load(recipe.dataset, **source, **options))
        _first(world, lambda: _hold(folder, held))
        found = _first(world, lambda: _finished(run, folder, session.say))  # by who held the lock before us
        if found is not None:
            return found
        training = Training(run, splits, folder, session)
        training.restore()
        outcome.write_config(training)
        training.run()
        result = outcome.finish(training)
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
                failure.note(folder, str(error) if explained else f"{type(error).__name__}: {error}")
        raise


def _hold(folder: Path, held: ExitStack) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        held.enter_context(only_writer(folder))
    except OSError as error:
        error.filename = error.filename or str(folder)  # a full disk does not say where
        raise
    failure.clear(folder)
    files.remove_half_written(folder, (*records.FILES, checkpoint.NEW, checkpoint.SUMS))


def _first(world: World, what: Callable[[], Any]) -> Any:
    """Call `what` in the process of rank 0 alone; all processes get its result or raise its error."""
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
