#!/usr/bin/env bash
# resnet50 on cifar10: 88 runs of figures and ablations that no table has.
# Written by `make scripts`; options for all scripts are in cluster.sh.
#   sbatch experiments/scripts/cifar10_resnet50_extra.sh   from the checkout: a job array, a run a task
#   bash experiments/scripts/cifar10_resnet50_extra.sh     one run after the other; options of experiments.train may follow
#SBATCH --job-name=cifar10_resnet50_extra
#SBATCH --array=0-87
#SBATCH --output=cifar10_resnet50_extra_%A_%a.log
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
MODEL=resnet50
QUICK_SEEDS=3
RUNS_OF_PAIR=(
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
  "fl3 0"
  "fl4 0"
  "fl5 0"
  "adafocal 1 --set loss_options.num_bins=5"
  "adafocal 1 --set loss_options.num_bins=10"
  "adafocal 1 --set loss_options.num_bins=20"
  "adafocal 1 --set loss_options.num_bins=30"
  "adafocal 1 --set loss_options.num_bins=50"
  "adafocal 1 --set loss_options.gamma_max=50"
  "adafocal 1 --set loss_options.gamma_max=inf"
  "adafocal 1 --set loss_options.switch_threshold=0.5"
  "adafocal 1 --set loss_options.lam=0.5"
  "adafocal 1 --set loss_options.lam=2"
  "adafocal 1 --set loss_options.lam=5"
  "calfocal1 1"
  "calfocal10 1"
  "calfocal100 1"
  "calfocal1 1 --set loss_options.mode=bin"
  "calfocal10 1 --set loss_options.mode=bin"
  "calfocal100 1 --set loss_options.mode=bin"
  "adafocal 2 --set loss_options.num_bins=5"
  "adafocal 2 --set loss_options.num_bins=10"
  "adafocal 2 --set loss_options.num_bins=20"
  "adafocal 2 --set loss_options.num_bins=30"
  "adafocal 2 --set loss_options.num_bins=50"
  "adafocal 2 --set loss_options.gamma_max=50"
  "adafocal 2 --set loss_options.gamma_max=inf"
  "adafocal 2 --set loss_options.switch_threshold=0.5"
  "adafocal 2 --set loss_options.lam=0.5"
  "adafocal 2 --set loss_options.lam=2"
  "adafocal 2 --set loss_options.lam=5"
  "calfocal1 2"
  "calfocal10 2"
  "calfocal100 2"
  "calfocal1 2 --set loss_options.mode=bin"
  "calfocal10 2 --set loss_options.mode=bin"
  "calfocal100 2 --set loss_options.mode=bin"
  "adafocal 3 --set loss_options.num_bins=5"
  "adafocal 3 --set loss_options.num_bins=10"
  "adafocal 3 --set loss_options.num_bins=20"
  "adafocal 3 --set loss_options.num_bins=30"
  "adafocal 3 --set loss_options.num_bins=50"
  "adafocal 3 --set loss_options.gamma_max=50"
  "adafocal 3 --set loss_options.gamma_max=inf"
  "adafocal 3 --set loss_options.switch_threshold=0.5"
  "adafocal 3 --set loss_options.lam=0.5"
  "adafocal 3 --set loss_options.lam=2"
  "adafocal 3 --set loss_options.lam=5"
  "calfocal1 3"
  "calfocal10 3"
  "calfocal100 3"
  "calfocal1 3 --set loss_options.mode=bin"
  "calfocal10 3 --set loss_options.mode=bin"
  "calfocal100 3 --set loss_options.mode=bin"
  "adafocal 4 --set loss_options.num_bins=5"
  "adafocal 4 --set loss_options.num_bins=10"
  "adafocal 4 --set loss_options.num_bins=20"
  "adafocal 4 --set loss_options.num_bins=30"
  "adafocal 4 --set loss_options.num_bins=50"
  "adafocal 4 --set loss_options.gamma_max=50"
  "adafocal 4 --set loss_options.gamma_max=inf"
  "adafocal 4 --set loss_options.switch_threshold=0.5"
  "adafocal 4 --set loss_options.lam=0.5"
  "adafocal 4 --set loss_options.lam=2"
  "adafocal 4 --set loss_options.lam=5"
  "calfocal1 4"
  "calfocal10 4"
  "calfocal100 4"
  "calfocal1 4 --set loss_options.mode=bin"
  "calfocal10 4 --set loss_options.mode=bin"
  "calfocal100 4 --set loss_options.mode=bin"
)
here=$(dirname "$0")/../..
if [[ ! -f $here/experiments/scripts/common.sh ]]; then here=$SLURM_SUBMIT_DIR; fi # sbatch runs a copy
source "$here/experiments/scripts/common.sh"
