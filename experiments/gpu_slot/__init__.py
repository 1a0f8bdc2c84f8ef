"""A quarter of an hour on a GPU, spent well: `python -m experiments.gpu_slot --help`."""
