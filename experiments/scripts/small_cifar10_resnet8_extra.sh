#!/usr/bin/env bash
# resnet8 on cifar10: 22 runs of figures and ablations that no table has.
# Written by `make scripts`; options for all scripts are in cluster.sh.
#   sbatch experiments/scripts/small_cifar10_resnet8_extra.sh   from the checkout: a job array, a run a task
#   bash experiments/scripts/small_cifar10_resnet8_extra.sh     one run after the other; options of experiments.train may follow
#SBATCH --job-name=small_cifar10_resnet8_extra
#SBATCH --array=0-21
#SBATCH --output=small_cifar10_resnet8_extra_%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --time=24:00:00
SCALE=${SCALE:-small}
DEVICE=${DEVICE:-cpu}
DATASET=cifar10
MODEL=resnet8
QUICK_SEEDS=3
RUNS_OF_PAIR=(
  "fl3 0"
  "adafocal 0 --set loss_options.num_bins=5"
  "adafocal 0 --set loss_options.num_bins=10"
  "adafocal 0 --set loss_options.num_bins=20"
  "adafocal 0 --set loss_options.num_bins=30"
  "adafocal 0 --set loss_options.num_bins=50"
  "adafocal 0 --set loss_options.gamma_max=50"
  "adafocal 0 --set loss_options.gamma_max=inf"
  "adafocal 0 --set loss_options.switch_threshold=0.5"
  "adafocal 0 --set loss_options.lam=0.5"
  "adafocal 0 --set loss_options.lam=2"
  "adafocal 0 --set loss_options.lam=5"
  "calfocal1 0"
  "calfocal10 0"
  "calfocal100 0"
  "calfocal1 0 --set loss_options.mode=bin"
  "calfocal10 0 --set loss_options.mode=bin"
  "calfocal100 0 --set loss_options.mode=bin"
  "fl4 0"
  "fl5 0"
  "fl3 1"
  "fl3 2"
)
here=$(dirname "$0")/../..
if [[ ! -f $here/experiments/scripts/common.sh ]]; then here=$SLURM_SUBMIT_DIR; fi # sbatch runs a copy
source "$here/experiments/scripts/common.sh"
