#!/usr/bin/env bash
# resnet50 on cifar100: 2 runs of figures and ablations that no table has.
# Written by `make scripts`; options for all scripts are in cluster.sh.
#   sbatch experiments/scripts/cifar100_resnet50_extra.sh   from the checkout: a job array, a run a task
#   bash experiments/scripts/cifar100_resnet50_extra.sh     one run after the other; options of experiments.train may follow
#SBATCH --job-name=cifar100_resnet50_extra
#SBATCH --array=0-1
#SBATCH --output=cifar100_resnet50_extra_%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-gpu=8
#SBATCH --mem-per-gpu=32G
#SBATCH --time=24:00:00
SCALE=${SCALE:-paper}
DEVICE=${DEVICE:-cuda}
DATASET=cifar100
MODEL=resnet50
QUICK_SEEDS=3
RUNS_OF_PAIR=(
  "fl3 0"
  "fl5 0"
)
here=$(dirname "$0")/../..
if [[ ! -f $here/experiments/scripts/common.sh ]]; then here=$SLURM_SUBMIT_DIR; fi # sbatch runs a copy
source "$here/experiments/scripts/common.sh"
