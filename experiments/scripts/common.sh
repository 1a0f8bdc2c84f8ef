# What every script of this folder does, sourced at its end: it knows SCALE, DEVICE, DATASET, MODEL and QUICK_SEEDS, and either METHODS and SEEDS or RUNS_OF_PAIR.
#
# In a job array a task trains one run. Slurm's warning before the time limit (USR1), scancel and pre-emption (TERM) are
# handed on to Python, which writes a checkpoint and ends with status 75; the task then puts itself back into the queue.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source experiments/scripts/cluster.sh
setup

if [[ -n ${METHODS+set} ]]; then
  RUNS_OF_PAIR=()
  for seed in "${SEEDS[@]}"; do for method in "${METHODS[@]}"; do RUNS_OF_PAIR+=("$method $seed"); done; done
fi

if [[ $SCALE == quick ]]; then # which has fewer seeds
  kept=()
  for line in "${RUNS_OF_PAIR[@]}"; do
    read -ra run <<<"$line"
    if ((run[1] < QUICK_SEEDS)); then kept+=("$line"); fi
  done
  RUNS_OF_PAIR=("${kept[@]}")
fi

hand_on() { # the signal, to what trains
  if [[ -z $child ]]; then return; fi
  if ((${GPUS:-1} > 1)); then pkill -USR1 -P "$child"; else kill -USR1 "$child"; fi 2>/dev/null || true
}

train() { # method seed options...: trains a run and hands signals on to it
  local launcher=(python) status=0
  asked= child=
  if ((${GPUS:-1} > 1)); then launcher=(torchrun --standalone "--nproc_per_node=$GPUS"); fi
  trap 'asked=1; hand_on' USR1 TERM INT
  "${launcher[@]}" -m experiments.train --dataset "$DATASET" --model "$MODEL" --method "$1" --seed "$2" \
    --scale "$SCALE" --device "$DEVICE" --runs "${RUNS:-runs}" "${@:3}" &
  child=$!
  if [[ -n $asked ]]; then hand_on; fi # the signal came before the child was known
  while :; do # wait is cut short by a signal
    status=0
    wait "$child" || status=$?
    kill -0 "$child" 2>/dev/null || break
  done
  trap - USR1 TERM INT
  if [[ -n $asked && $status -ne 0 ]]; then status=75; fi # torchrun has a status of its own
  return "$status"
}

if [[ -n ${SLURM_ARRAY_TASK_ID:-} ]]; then
  if ((SLURM_ARRAY_TASK_ID >= ${#RUNS_OF_PAIR[@]})); then
    echo "nothing to do: scale $SCALE has ${#RUNS_OF_PAIR[@]} runs here"
    exit 0
  fi
  read -ra run <<<"${RUNS_OF_PAIR[$SLURM_ARRAY_TASK_ID]}"
  status=0
  train "${run[@]}" "$@" || status=$?
  if ((status == 75)); then # a job that was cancelled cannot be queued again: then it is resubmitted by hand
    scontrol requeue "$SLURM_JOB_ID" || true
  fi
  exit "$status"
fi

failed=0
for line in "${RUNS_OF_PAIR[@]}"; do
  read -ra run <<<"$line"
  status=0
  train "${run[@]}" "$@" || status=$?
  if ((status == 75)); then exit 75; fi
  if ((status != 0)); then failed=1; fi
done
exit "$failed"
