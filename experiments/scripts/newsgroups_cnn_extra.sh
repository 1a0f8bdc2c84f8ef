#!/usr/bin/env bash
# cnn on newsgroups: 3 runs of figures and ablations that no table has.
# Written by `make scripts`; options for all scripts are in cluster.sh.
#   sbatch experiments/scripts/newsgroups_cnn_extra.sh   from the checkout: a job array, a run a task
#   bash experiments/scripts/newsgroups_cnn_extra.sh     one run after the other; options of experiments.train may follow
#SBATCH --job-name=newsgroups_cnn_extra
#SBATCH --array=0-2
#SBATCH --output=newsgroups_cnn_extra_%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-gpu=8
#SBATCH --mem-per-gpu=32G
#SBATCH --time=24:00:00
SCALE=${SCALE:-paper}
DEVICE=${DEVICE:-cuda}
DATASET=newsgroups
MODEL=cnn
QUICK_SEEDS=3
RUNS_OF_PAIR=(
  "fl3 0"
  "fl4 0"
  "fl5 0"
)
here=$(dirname "$0")/../..
if [[ ! -f $here/experiments/scripts/common.sh ]]; then here=$SLURM_SUBMIT_DIR; fi # sbatch runs a copy
source "$here/experiments/scripts/common.sh"
