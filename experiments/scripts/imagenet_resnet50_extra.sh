#!/usr/bin/env bash
# resnet50 on imagenet: 5 runs of figures and ablations that no table has.
# Written by `make scripts`; options for all scripts are in cluster.sh.
#   sbatch experiments/scripts/imagenet_resnet50_extra.sh   from the checkout: a job array, a run a task
#   bash experiments/scripts/imagenet_resnet50_extra.sh     one run after the other; options of experiments.train may follow
#SBATCH --job-name=imagenet_resnet50_extra
#SBATCH --array=0-4
#SBATCH --output=imagenet_resnet50_extra_%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-gpu=8
#SBATCH --mem-per-gpu=32G
#SBATCH --time=24:00:00
SCALE=${SCALE:-paper}
DEVICE=${DEVICE:-cuda}
DATASET=imagenet
MODEL=resnet50
QUICK_SEEDS=3
RUNS_OF_PAIR=(
  "adafocal 0 --set loss_options.switch_threshold=0.5"
  "adafocal 1 --set loss_options.switch_threshold=0.5"
  "adafocal 2 --set loss_options.switch_threshold=0.5"
  "adafocal 3 --set loss_options.switch_threshold=0.5"
  "adafocal 4 --set loss_options.switch_threshold=0.5"
)
here=$(dirname "$0")/../..
if [[ ! -f $here/experiments/scripts/common.sh ]]; then here=$SLURM_SUBMIT_DIR; fi # sbatch runs a copy
source "$here/experiments/scripts/common.sh"
