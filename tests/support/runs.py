"""Runs that take a fraction of a second, for the tests of this folder."""

from experiments.grid import Run

ENDLESS = "epochs=100000"  # hours: for runs that are stopped, and cannot end before

FAST = (
    "epochs=4",
    "milestones=3",
    "batch_size=32",
    "data_options.train_size=100",
    "data_options.val_size=150",
    "data_options.val_draws=1",
    "data_options.test_draws=1",
)


def tiny_run(method: str = "adafocal", seed: int = 0, *overrides: str) -> Run:
    return Run.make("demo", "digits", "resnet8", method, seed, (*FAST, *overrides))


def cli(run: Run, *more: str) -> list[str]:
    """The arguments of experiments.train for a run, on the CPU: that is what other tests compare with."""
    settings = [part for text in run.overrides for part in ("--set", text)]
    names = ["--dataset", run.dataset, "--model", run.model, "--method", run.method, "--seed", str(run.seed)]
    return [*names, "--scale", run.scale, *settings, "--device", "cpu", *more]
