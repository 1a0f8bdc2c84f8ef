#!/usr/bin/env bash
# resnet8 on cifar10: the 18 runs of the tables, 6 methods x 3 seeds.
# Written by `make scripts`; options for all scripts are in cluster.sh.
#   sbatch experiments/scripts/small_cifar10_resnet8.sh   from the checkout: a job array, a run a task
#   bash experiments/scripts/small_cifar10_resnet8.sh     one run after the other; options of experiments.train may follow
#SBATCH --job-name=small_cifar10_resnet8
#SBATCH --array=0-17
#SBATCH --output=small_cifar10_resnet8_%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --time=24:00:00
SCALE=${SCALE:-small}
DEVICE=${DEVICE:-cpu}
DATASET=cifar10
MODEL=resnet8
QUICK_SEEDS=3
METHODS=(ce brier mmce ls flsd53 adafocal)
SEEDS=(0 1 2)
here=$(dirname "$0")/../..
if [[ ! -f $here/experiments/scripts/common.sh ]]; then here=$SLURM_SUBMIT_DIR; fi # sbatch runs a copy
source "$here/experiments/scripts/common.sh"
