"""Train what a table or figure lacks: `python -m experiments.run --help`."""

import argparse
import multiprocessing
import os
import queue
import signal
import sys
import threading
import warnings
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing import connection
from typing import NamedTuple

import torch
from tqdm import tqdm

from data.splits.workers import starting_deaf, usable_cores
from experiments import grid, records, scales
from experiments.command import (
    INTERRUPTED,
    PREEMPTED,
    add_session_options,
    pick_device,
    refusing,
    session_text,
    until_nobody_reads,
)
from experiments.grid import Run
from experiments.records import Record
from experiments.scales import SCALES
from experiments.training.errors import EXPLAINED, Preempted
from experiments.training.job import train
from experiments.training.session import Session
from experiments.training.signals import noticed

STOPPED = "not begun: stopped as asked"
DIED = "a process was killed, for want of memory perhaps (--workers 1 takes least): the same command goes on"
_life = ExitStack()  # never closed: holds what a worker needs as long as it lives
_device = None  # in a worker: where it trains
_should_stop = None  # in a worker: says whether it was asked to stop
_progress = None  # in a worker: the queue that its epochs go to


def look_up(runs: list[Run], options) -> dict[Run, Record | None]:
    """The sound record of every run, None where there is none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "left out: .* has not ended")  # it is about to go on
        return records.of_one_data_set({run: records.find(run, options.runs) for run in runs})


def _start_worker(progress, device: str) -> None:
    global _device, _progress, _should_stop
    _device = device
    _progress, _should_stop = progress, _life.enter_context(noticed())
    # An ending worker must not wait until the launcher reads its queue: the launcher waits for the worker to end.
    progress.cancel_join_thread()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the launcher's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when the launcher is killed; its run resumes from the checkpoint next time."""
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


class Outcome(NamedTuple):
    """The outcome of a run in a worker.

    Attributes:
        result: `result.json`, or None.
        failure: what went wrong, in one line; "" if nothing did.
        worn: whether the worker must be replaced: after a CUDA error every CUDA call of its process fails.
    """

    result: dict | None
    failure: str = ""
    worn: bool = False


def _train_one(run: Run, session: Session) -> Outcome:
    """In a worker: train a run."""
    told = {
        "say": lambda text: _progress.put((run, text)),
        "on_epoch": lambda row: _progress.put((run, row["epoch"])),
    }
    try:
        result = train(run, replace(session, device=_device, should_stop=_should_stop, **told))
    except Preempted as stopped:
        return Outcome(None, str(stopped))
    except (ValueError, *EXPLAINED) as error:
        return Outcome(None, str(error))
    except Exception as error:  # whatever it is, the other runs go on
        failure = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        return Outcome(None, failure, worn=torch.device(_device).type == "cuda")
    return Outcome(result)


def deal(device: str, workers: int) -> list[str]:
    """The device of every worker: of "cuda" each gets a GPU in turn."""
    if device != "cuda":
        return [device] * workers
    return [f"cuda:{worker % torch.cuda.device_count()}" for worker in range(workers)]


def train_all(runs: list[Run], session: Session, workers: int) -> tuple[dict[Run, str], bool]:
    """Train runs in `workers` processes; returns what went wrong, by run, and whether a signal stopped them.

    On a terminal a bar counts the epochs that are left; elsewhere each finished run prints a line.
    """
    context = multiprocessing.get_context("spawn")
    with starting_deaf():  # Python's resource tracker, or a signal to the whole job ends it and tracebacks follow
        progress = context.Queue()
    failures, done = {}, 0
    epochs = dict.fromkeys(runs, 0)
    bar = tqdm(total=sum(run.recipe.epochs for run in runs), unit="epoch", disable=None, smoothing=0.05)

    def show() -> None:
        while True:
            try:
                run, news = progress.get_nowait()
            except queue.Empty:
                return
            if isinstance(news, str):
                tqdm.write(f"{run}: {news}", file=sys.stdout)
            else:
                bar.update(news - epochs[run])
                epochs[run] = news

    asked = False
    waiting, jobs = list(runs), {}  # runs not begun; those under way, with the device and the process of each

    def begin(device: str, pool: ProcessPoolExecutor | None) -> None:
        if waiting:
            # a pool of one each: what ends a process ends one run
            pool = pool or held.enter_context(ProcessPoolExecutor(1, context, _start_worker, (progress, device)))
            run = waiting.pop(0)
            jobs[pool.submit(_train_one, run, session)] = run, device, pool

    with noticed() as should_stop, ExitStack() as held:
        for device in deal(session.device, workers):
            begin(device, None)
        try:
            while jobs:
                if should_stop() and not asked:
                    asked = True
                    failures |= dict.fromkeys(waiting, STOPPED)
                    waiting.clear()
                    for worker in multiprocessing.active_children():
                        os.kill(worker.pid, signal.SIGTERM)
                finished, _ = wait(jobs, timeout=0.5, return_when=FIRST_COMPLETED)
                show()
                for job in finished:
                    done += 1
                    run, device, pool = jobs.pop(job)
                    try:
                        outcome = job.result()
                    except BrokenProcessPool:
                        outcome = Outcome(None, DIED, worn=True)
                    if outcome.worn:
                        pool.shutdown(wait=False)
                    begin(device, None if outcome.worn else pool)
                    if outcome.failure:
                        failures[run] = outcome.failure
                        tqdm.write(f"failed: {run}: {outcome.failure}", file=sys.stdout)
                    elif bar.disable:
                        test = outcome.result["test"]
                        print(
                            f"[{done}/{len(runs)}] {run}: test error {100 * test['error']:.2f} %, "
                            f"ECE_EM {100 * test['ece_em']:.2f} %",
                            flush=True,
                        )
                bar.set_postfix_str(f"{done}/{len(runs)} runs")
            show()
        except KeyboardInterrupt:
            bar.close()
            print("stopped; the same command goes on from the last checkpoints", file=sys.stderr, flush=True)
            os._exit(INTERRUPTED)  # leaving the pool in order would wait for the runs to end
        finally:
            bar.close()
    return failures, asked


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.run",
        description="Train the runs that a table or figure is made from and that have no finished record yet. Runs cut "
        "short go on from their checkpoints.",
        epilog="example: python -m experiments.run --for table1 --scale quick --dataset cifar10 --model resnet50",
    )
    grid.add_selection(parser)
    for name in ("dataset", "model", "method"):
        parser.add_argument(f"--{name}", help=f"only this {name}")
    parser.add_argument("--seed", type=int, help="only this seed")
    parser.add_argument("--seeds", type=int, metavar="N", help="seeds 0 to N - 1 of every cell, instead of the scale's")
    parser.add_argument(
        "--workers",
        type=int,
        help="runs trained at once, on all GPUs in turn (default: one a core with --scale demo, else one)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the runs that are missing and their commands")
    parser.add_argument("--anew", action="store_true", help="train what is published, too, with records of your own")
    scales.add_if_tables_train(parser)
    add_session_options(parser)
    return parser


@refusing()
def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    # Threads of several processes that spin while they wait slow each other down a hundredfold.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # After Ctrl-C Python's resource tracker removes the queue's semaphores, and need not warn of them.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    options = _arguments().parse_args(arguments)
    given, options.device = options.device, pick_device(options.device)
    options.scale = scales.resolve(options)
    wanted = grid.runs_of(options.name, options.scale)
    if scales.is_left_to_the_user(options):
        return 0
    if options.seeds is not None:
        if options.seeds < 1:
            raise ValueError(f"--seeds must be >= 1, got {options.seeds}")
        first = [run for run in wanted if run.seed == 0]
        wanted = [replace(run, seed=seed) for seed in range(options.seeds) for run in first]
    for name in ("dataset", "model", "method", "seed"):
        choice = getattr(options, name)
        if choice is not None:
            known = sorted({getattr(run, name) for run in wanted})
            if choice not in known:
                raise ValueError(f"--{name} {choice} is no part of it: choose from {', '.join(map(str, known))}")
            wanted = [run for run in wanted if getattr(run, name) == choice]
    if options.workers is None:
        options.workers = usable_cores() if SCALES[options.scale].trains and options.device == "cpu" else 1
    if options.workers < 1:
        raise ValueError(f"--workers must be >= 1, got {options.workers}")
    found = look_up(wanted, options)
    published = [run for run, record in found.items() if record is not None and record.is_published]
    runs = [run for run, record in found.items() if record is None or (options.anew and run in published)]
    note = f" ({len(published)} of them published: --anew trains these, too)" if published and not options.anew else ""
    if options.dry_run:
        print("\n".join(run.command + session_text(options, given) for run in runs))
        return 0
    if not runs:
        print(f"{options.name}: all {len(wanted)} runs of scale {options.scale} are there{note}")
        return 0
    there = len(wanted) - len(runs)
    rest = f", {there} are there{note}" if there else ""
    print(f"{options.name}: training {len(runs)} of {len(wanted)} runs of scale {options.scale}{rest}", flush=True)
    failures, stopped = train_all(runs, Session.of(options), options.workers)
    if stopped:
        print("stopped as asked; the same command goes on from the last checkpoints", file=sys.stderr)
        return PREEMPTED
    for run, failure in failures.items():
        print(f"failed: {run}: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(until_nobody_reads(main))
