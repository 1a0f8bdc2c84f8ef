# Your cluster, in one place. All scripts beside this one read it.
#
# Lines that begin with #SBATCH go into every script: change them, then call `make scripts`. For instance
# "#SBATCH --partition=gpu", "#SBATCH --account=me", "#SBATCH --gres=gpu:a100:1". Scripts that train on CPUs leave out
# the options of GPUs.
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-gpu=8
#SBATCH --mem-per-gpu=32G
#SBATCH --time=24:00:00

# What a job needs before it can start Python: modules, the environment. It is called in the checkout.
setup() {
  # module load cuda
  if [[ -f .venv/bin/activate ]]; then source .venv/bin/activate; fi
}

# Environment variables that the scripts heed: SCALE (paper, quick), DEVICE (cuda, cpu), ADAFOCAL_DATA (where the datasets
# lie), RUNS (where the records go), GPUS (processes for one run, by torchrun: GPUS=4 sbatch --gres=gpu:4 ...; CPUs and
# memory follow the GPUs). sbatch hands them on.
