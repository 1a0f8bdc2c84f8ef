"""A real Slurm runs the demo's script: a time limit that is too short, and a cancelled task, cost nothing."""

import math
import os
import shutil
import subprocess

import pytest

from experiments import records
from experiments.grid import Run
from experiments.records.provenance import ROOT
from experiments.train import train
from experiments.training.session import Session
from tests.support.training import record_of, silent
from tests.support.waiting import HANGS, wait_until


def slurm(*command) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=HANGS, check=True).stdout.strip()


def has_slurm() -> bool:
    try:
        return shutil.which("sbatch") is not None and "idle" in slurm("sinfo", "-h", "-o", "%t")
    except (OSError, subprocess.SubprocessError):
        return False


def submit(runs, settings, *options) -> str:
    """Submit the demo's script; returns the job's number."""
    script = ["experiments/scripts/demo_digits_resnet8.sh", "--set", *settings]
    command = ["sbatch", "--parsable", f"--output={runs}/%A_%a.log", *options, *script]
    variables = {"RUNS": str(runs), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=True
    ).stdout.strip()


def wait_for(what) -> None:
    def is_so():
        for job in slurm("squeue", "-h", "-t", "PENDING", "-o", "%A").split():
            subprocess.run(["scontrol", "update", f"jobid={job}", "StartTime=now"], capture_output=True)
        return what()

    wait_until(is_so)


@pytest.mark.slow
@pytest.mark.skipif(not has_slurm(), reason="needs a running Slurm with an idle node")
def test_records_of_a_job_array_equal_those_of_undisturbed_runs(tmp_path, capsys):
    runs = tmp_path / "runs"
    runs.mkdir()
    tried = train(
        Run.make("demo", "digits", "resnet8", "adafocal", 0, ("epochs=10",)), Session(runs=tmp_path, say=silent)
    )
    settings = (f"epochs={math.ceil(10 * 60 / tried['seconds'])}",)  # a minute here: beyond the time limit
    cancelled, limited = (Run.make("demo", "digits", "resnet8", method, 0, settings) for method in ("ce", "adafocal"))

    job = submit(
        runs, settings, "--array=0,5", "--time=1", "--signal=B:USR1@45"
    )  # the signal comes after 15 seconds at most
    wait_for(lambda: all((run.folder(runs) / records.HISTORY).exists() for run in (cancelled, limited)))
    slurm("scancel", f"{job}_0")  # SIGTERM; a cancelled job is not queued again
    wait_for(
        lambda: not slurm("squeue", "-h", "-j", job, "-o", "%K").split() or records.is_finished(limited.folder(runs))
    )
    submit(runs, settings, "--array=0", "--time=10")
    wait_for(lambda: all(records.is_finished(run.folder(runs)) for run in (cancelled, limited)))
    wait_for(lambda: not slurm("squeue", "-h", "-o", "%A"))

    logs = {path.name: path.read_text() for path in runs.glob("*.log")}
    assert "as asked: the same command goes on from there" in logs[f"{job}_0.log"]
    requeued = logs[f"{job}_5.log"].count("as asked: the same command goes on from there")
    assert requeued >= 1
    assert "going on after epoch" in logs[f"{job}_5.log"]
    for run in (cancelled, limited):
        train(run, Session(runs=tmp_path / "whole", say=silent))
        assert record_of(run.folder(runs)) == record_of(run.folder(tmp_path / "whole"))
    with capsys.disabled():
        print(f" requeued {requeued} times at its time limit, cancelled once; both records identical", end="")
