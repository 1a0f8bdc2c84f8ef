"""Write a script for every dataset-model pair of `small` and `paper`: `python -m experiments.cluster`.

`sbatch` runs such a script as a job array, `bash` runs it from top to bottom. The runs come from the grid that the
tables and figures use, the user's own `#SBATCH` lines from `scripts/cluster.sh`; `scripts/common.sh` does the work.
"""

import argparse
import sys
from contextlib import suppress
from pathlib import Path

from experiments import grid
from experiments.command import refusing, until_nobody_reads
from experiments.grid import Run
from experiments.methods import TABLE_METHODS
from experiments.records import files
from experiments.records.provenance import ROOT
from experiments.scales import SCALES

FOLDER = ROOT / "experiments" / "scripts"
MARK = "Written by `make scripts`"  # on what is deleted once its pair has left the grid
OF_GPUS = ("--gres", "--gpus", "--cpus-per-gpu", "--mem-per-gpu")  # options that a script for CPUs leaves out
GENERAL = """\
#!/usr/bin/env bash
# {title}
# {mark}; options for all scripts are in cluster.sh.
#   sbatch experiments/scripts/{name}.sh   from the checkout: a job array, a run a task
#   bash experiments/scripts/{name}.sh     one run after the other; options of experiments.train may follow
#SBATCH --job-name={name}
#SBATCH --array=0-{last}
#SBATCH --output={name}_%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
{options}{head}
{runs}
here=$(dirname "$0")/../..
if [[ ! -f $here/experiments/scripts/common.sh ]]; then here=$SLURM_SUBMIT_DIR; fi # sbatch runs a copy
source "$here/experiments/scripts/common.sh"
"""


def cluster_options(folder: Path = FOLDER) -> list[str]:
    """The `#SBATCH` lines of the user's `cluster.sh`."""
    lines = (folder / "cluster.sh").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("#SBATCH ")]


def scripts(options: list[str]) -> dict[str, str]:
    """The text of every script, by its file's name.

    A pair's own script has the runs of the tables; "<pair>_extra" those that only figures and ablations need.

    Args:
        options: `#SBATCH` lines that stand in all of them; those of `OF_GPUS` only where a GPU trains.
    """
    texts = {}
    cells = [(name, *pair) for name in ("small", "paper") for pair in SCALES[name].pairs]
    for scale, dataset, model in cells:
        name = f"{dataset}_{model}" if scale == "paper" else f"{scale}_{dataset}_{model}"
        texts[f"{name}.sh"] = _table_script(name, dataset, model, scale, options)
        runs = [run for run in grid.runs_of("all", scale) if (run.dataset, run.model) == (dataset, model)]
        extra = [run for run in runs if run.method not in TABLE_METHODS or run.overrides]
        if extra:
            lines = "\n".join(f'  "{_line(run)}"' for run in extra)
            title = f"{model} on {dataset}: {len(extra)} runs of figures and ablations that no table has."
            listed = f"RUNS_OF_PAIR=(\n{lines}\n)"
            texts[f"{name}_extra.sh"] = _text(
                f"{name}_extra", title, scale, dataset, model, listed, len(extra), options
            )
    # for trying a cluster out: seconds a run, no data to fetch, no GPU
    texts["demo_digits_resnet8.sh"] = _table_script("demo_digits_resnet8", "digits", "resnet8", "demo", options)
    return texts


def _table_script(name: str, dataset: str, model: str, scale: str, options: list[str]) -> str:
    seeds = SCALES[scale].seeds
    product = f"METHODS=({' '.join(TABLE_METHODS)})\nSEEDS=({' '.join(map(str, range(seeds)))})"
    count = len(TABLE_METHODS) * seeds
    title = f"{model} on {dataset}: the {count} runs of the tables, {len(TABLE_METHODS)} methods x {seeds} seeds."
    return _text(name, title, scale, dataset, model, product, count, options)


def _line(run: Run) -> str:
    return " ".join((run.method, str(run.seed), *(f"--set {text}" for text in run.overrides)))


def _text(
    name: str, title: str, scale: str, dataset: str, model: str, runs: str, count: int, options: list[str]
) -> str:
    if SCALES[scale].device == "cpu":
        options = [option for option in options if not option.removeprefix("#SBATCH ").startswith(OF_GPUS)]
    lines = "".join(f"{option}\n" for option in options)
    # said aloud: where the driver is too old for torch's CUDA, a job shall not take weeks on the CPU
    head = f"SCALE=${{SCALE:-{scale}}}\nDEVICE=${{DEVICE:-{SCALES[scale].device}}}\nDATASET={dataset}\nMODEL={model}"
    head += f"\nQUICK_SEEDS={SCALES['quick'].seeds}"
    return GENERAL.format(mark=MARK, name=name, title=title, head=head, runs=runs, last=count - 1, options=lines)


@refusing()
def main(arguments: list[str] | None = None) -> int:
    """Write all scripts, and delete those of pairs that are no longer in the grid; the exit status."""
    argparse.ArgumentParser(prog="python -m experiments.cluster", description=__doc__).parse_args(arguments)
    texts = scripts(cluster_options())
    for path in FOLDER.glob("*.sh"):
        if path.name not in texts and MARK in path.read_text(encoding="utf-8", errors="replace"):
            path.unlink()
    for name, text in texts.items():
        files.write_bytes(FOLDER / name, text.encode())
        with suppress(OSError):  # where a file system knows no modes
            (FOLDER / name).chmod(0o755)
    print(f"written: {len(texts)} scripts in {FOLDER.relative_to(ROOT)}/")
    return 0


if __name__ == "__main__":
    sys.exit(until_nobody_reads(main))
