#!/usr/bin/env bash
# resnet110 on cifar10: the 30 runs of the tables, 6 methods x 5 seeds.
# Written by `make scripts`; options for all scripts are in cluster.sh.
#   sbatch experiments/scripts/cifar10_resnet110.sh   from the checkout: a job array, a run a task
#   bash experiments/scripts/cifar10_resnet110.sh     one run after the other; options of experiments.train may follow
#SBATCH --job-name=cifar10_resnet110
#SBATCH --array=0-29
#SBATCH --output=cifar10_resnet110_%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-gpu=8
#SBATCH --mem-per-gpu=32G
#SBATCH --time=24:00:00
SCALE=${SCALE:-paper}
DEVICE=${DEVICE:-cuda}
DATASET=cifar10
MODEL=resnet110
QUICK_SEEDS=3
METHODS=(ce brier mmce ls flsd53 adafocal)
SEEDS=(0 1 2 3 4)
here=$(dirname "$0")/../..
if [[ ! -f $here/experiments/scripts/common.sh ]]; then here=$SLURM_SUBMIT_DIR; fi # sbatch runs a copy
source "$here/experiments/scripts/common.sh"
