#!/usr/bin/env bash
# wrn10-2 on cifar10: 4 runs of figures and ablations that no table has.
# Written by `make scripts`; options for all scripts are in cluster.sh.
#   sbatch experiments/scripts/small_cifar10_wrn10-2_extra.sh   from the checkout: a job array, a run a task
#   bash experiments/scripts/small_cifar10_wrn10-2_extra.sh     one run after the other; options of experiments.train may follow
#SBATCH --job-name=small_cifar10_wrn10-2_extra
#SBATCH --array=0-3
#SBATCH --output=small_cifar10_wrn10-2_extra_%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --time=24:00:00
SCALE=${SCALE:-small}
DEVICE=${DEVICE:-cpu}
DATASET=cifar10
MODEL=wrn10-2
QUICK_SEEDS=3
RUNS_OF_PAIR=(
  "fl3 0"
  "fl5 0"
  "fl3 1"
  "fl3 2"
)
here=$(dirname "$0")/../..
if [[ ! -f $here/experiments/scripts/common.sh ]]; then here=$SLURM_SUBMIT_DIR; fi # sbatch runs a copy
source "$here/experiments/scripts/common.sh"
