"""The cluster's scripts: what they train, and what they do with signals and exit statuses, with a made-up python."""

import os
import shutil
import signal
import subprocess

import pytest

from experiments import cluster, grid
from experiments.grid import Run
from experiments.methods import TABLE_METHODS
from experiments.scales import SCALES
from experiments.train import _arguments
from tests.experiments.test_interrupts import heed_interrupts
from tests.support.waiting import HANGS, started, wait_until

FAKES = {
    "python": '#!/bin/sh\necho "$@" >> "$CALLS"\nexit "${STATUS:-0}"\n',
    "scontrol": '#!/bin/sh\necho scontrol "$@" >> "$CALLS"\n',
}


@pytest.fixture
def checkout(tmp_path):
    """A folder with the scripts, and programs that only write down how they were called."""
    shutil.copytree(cluster.FOLDER, tmp_path / "experiments/scripts")
    (tmp_path / "bin").mkdir()
    for name, text in FAKES.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def environment(checkout, **more) -> dict:
    kept = {"PATH": f"{checkout / 'bin'}:{os.environ['PATH']}", "CALLS": str(checkout / "calls")}
    return kept | more


def call(checkout, script, *options, **more):
    """Run a script with bash; returns its exit status and the calls it made."""
    (checkout / "calls").unlink(missing_ok=True)
    command = ["bash", str(checkout / "experiments/scripts" / script), *options]
    done = subprocess.run(command, env=environment(checkout, **more), capture_output=True, text=True, timeout=HANGS)
    return done.returncode, (checkout / "calls").read_text().splitlines()


def as_run(line: str) -> Run:
    assert line.startswith("-m experiments.train ")
    options = _arguments().parse_args(line.split()[2:])
    names = (options.scale, options.dataset, options.model, options.method, options.seed)
    return Run.make(*names, tuple(options.overrides))


def test_the_scripts_are_those_of_the_grid():
    on_disk = {path.name: path.read_text() for path in cluster.FOLDER.glob("*_*.sh")}
    assert on_disk == cluster.scripts(cluster.cluster_options()), "stale: call `make scripts`"
    for dataset, model in SCALES["paper"].pairs:
        assert f"{dataset}_{model}.sh" in on_disk


def test_scripts_have_the_users_options_those_of_gpus_where_a_gpu_trains():
    texts = cluster.scripts(["#SBATCH --account=me", "#SBATCH --gres=gpu:1", "#SBATCH --mem-per-gpu=32G"])
    for name, text in texts.items():
        assert "#SBATCH --account=me\n" in text
        assert ("--gres" in text, "--mem-per-gpu" in text) == (("DEVICE:-cuda" in text),) * 2, name


def test_writing_them_leaves_other_files_alone(tmp_path, monkeypatch, capsys):
    shutil.copytree(cluster.FOLDER, tmp_path / "scripts")
    (tmp_path / "scripts" / "my_own.sh").write_text("echo mine\n")
    (tmp_path / "scripts" / "gone_pair.sh").write_text(f"# {cluster.MARK}; once\n")
    monkeypatch.setattr(cluster, "FOLDER", tmp_path / "scripts")
    monkeypatch.setattr(cluster, "ROOT", tmp_path)
    assert cluster.main([]) == 0
    assert (tmp_path / "scripts" / "my_own.sh").read_text() == "echo mine\n"
    assert not (tmp_path / "scripts" / "gone_pair.sh").exists()


def test_together_they_train_every_run_once(checkout):
    lines = []
    for path in sorted((checkout / "experiments/scripts").glob("*_*.sh")):
        if path.name.startswith("demo"):
            continue
        status, calls = call(checkout, path.name)
        assert status == 0
        assert f"#SBATCH --array=0-{len(calls) - 1}\n" in path.read_text()
        lines += calls
    runs = [as_run(line) for line in lines]
    assert len(set(runs)) == len(runs)
    assert set(runs) == {run for scale in ("small", "paper") for run in grid.runs_of("all", scale)}


def test_a_shell_of_a_job_of_another_folder(checkout):
    """salloc and srun --pty set SLURM_SUBMIT_DIR, too: to where they were called."""
    assert call(checkout, "demo_digits_resnet8.sh", SLURM_SUBMIT_DIR="/")[0] == 0


def test_sbatch_runs_a_copy_that_finds_the_checkout(checkout, tmp_path):
    (tmp_path / "spool/slurmd/job1").mkdir(parents=True)
    copy = tmp_path / "spool/slurmd/job1/slurm_script"
    shutil.copy(checkout / "experiments/scripts/demo_digits_resnet8.sh", copy)
    more = {"SLURM_SUBMIT_DIR": str(checkout), "SLURM_ARRAY_TASK_ID": "0", "SLURM_JOB_ID": "1"}
    done = subprocess.run(["bash", copy], env=environment(checkout, **more), cwd="/", timeout=HANGS)
    assert done.returncode == 0
    assert len((checkout / "calls").read_text().splitlines()) == 1


def test_a_job_on_a_gpu_says_so_and_the_demos_do_not(checkout):
    task = {"SLURM_ARRAY_TASK_ID": "0", "SLURM_JOB_ID": "1"}
    for script, more, device in (
        ("cifar10_resnet50.sh", {}, "cuda"),
        ("cifar10_resnet50.sh", {"DEVICE": "cpu"}, "cpu"),
        ("demo_digits_resnet8.sh", {}, "cpu"),
    ):
        status, calls = call(checkout, script, **task, **more)
        assert (status, f"--device {device} " in calls[0]) == (0, True)


def test_cpus_and_memory_follow_the_gpus_of_a_job():
    options = " ".join(cluster.cluster_options())
    assert "--cpus-per-gpu=" in options
    assert "--mem-per-gpu=" in options


def test_an_array_task_trains_one_run_with_the_options_given(checkout):
    status, calls = call(
        checkout,
        "cifar10_resnet50.sh",
        "--set",
        "epochs=2",
        SLURM_ARRAY_TASK_ID=str(len(TABLE_METHODS) + 1),
        SLURM_JOB_ID="1",
        SCALE="quick",
    )
    assert status == 0
    assert [str(as_run(line)) for line in calls] == ["quick/cifar10/resnet50/brier+epochs=2/seed1"]


def test_a_task_that_was_stopped_goes_back_into_the_queue(checkout):
    status, calls = call(checkout, "cifar10_resnet50.sh", SLURM_ARRAY_TASK_ID="0", SLURM_JOB_ID="17", STATUS="75")
    assert (status, calls[1:]) == (75, ["scontrol requeue 17"])


def test_a_task_that_failed_does_not(checkout):
    status, calls = call(checkout, "cifar10_resnet50.sh", SLURM_ARRAY_TASK_ID="0", SLURM_JOB_ID="17", STATUS="2")
    assert (status, len(calls)) == (2, 1)


def test_in_turn_a_failed_run_is_passed_over_and_a_stopped_one_ends_it(checkout):
    status, calls = call(checkout, "demo_digits_resnet8.sh", STATUS="2")
    assert (status, len(calls)) == (1, 3 * len(TABLE_METHODS))
    status, calls = call(checkout, "demo_digits_resnet8.sh", STATUS="75")
    assert (status, len(calls)) == (75, 1)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_handed_on_to_python_and_waited_for(checkout, number):
    (checkout / "bin/python").write_text(
        '#!/bin/bash\ntrap "sleep 1; echo checkpoint >> $CALLS; exit 75" USR1\necho begun >> "$CALLS"\n'
        f"for i in $(seq {10 * HANGS}); do sleep 0.1; done\n"
    )
    script = checkout / "experiments/scripts/cifar10_resnet50.sh"
    calls, variables = checkout / "calls", environment(checkout, SLURM_ARRAY_TASK_ID="0", SLURM_JOB_ID="17")
    with started(["bash", str(script)], env=variables, preexec_fn=heed_interrupts) as process:
        wait_until(lambda: calls.exists() and "begun" in calls.read_text(), process)
        process.send_signal(number)
        assert process.wait(HANGS) == 75
    assert calls.read_text().splitlines() == ["begun", "checkpoint", "scontrol requeue 17"]


def test_several_gpus_use_torchrun(checkout):
    shutil.copy(checkout / "bin/python", checkout / "bin/torchrun")
    status, calls = call(checkout, "imagenet_resnet50.sh", SLURM_ARRAY_TASK_ID="0", SLURM_JOB_ID="1", GPUS="4")
    assert status == 0
    assert calls[0].startswith("--standalone --nproc_per_node=4 -m experiments.train --dataset imagenet")


def test_the_quick_scale_has_fewer_seeds(checkout):
    status, calls = call(checkout, "newsgroups_cnn.sh", SCALE="quick")
    assert status == 0
    assert {as_run(line) for line in calls} == {
        run for run in grid.runs_of("table1", "quick") if (run.dataset, run.model) == ("newsgroups", "cnn")
    }
    last = len(calls) - 1
    assert call(checkout, "newsgroups_cnn.sh", SCALE="quick", SLURM_ARRAY_TASK_ID=str(last)) == (0, calls[-1:])
    (checkout / "calls").touch()
    command = ["bash", str(checkout / "experiments/scripts/newsgroups_cnn.sh")]
    beyond = environment(checkout, SCALE="quick", SLURM_ARRAY_TASK_ID=str(last + 1))
    done = subprocess.run(command, env=beyond, capture_output=True, text=True, timeout=HANGS, check=True)
    assert f"nothing to do: scale quick has {3 * len(TABLE_METHODS)} runs here" in done.stdout
