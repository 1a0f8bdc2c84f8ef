"""A whole step as one graph; without a GPU its capture is replaced by calling the step again, on the same tensors."""

import pytest
import torch

import data
from experiments.grid import Run
from experiments.recipes import Recipe
from experiments.train import train
from experiments.training import graph
from experiments.training.distributed import ALONE
from experiments.training.loop import Training
from experiments.training.session import Session
from tests.support.training import silent

# Batches of 128, 128, 128, 128, 128 and 60, and a learning rate that falls after the first epoch.
SETTINGS = ("epochs=2", "milestones=1", "data_options.train_size=700", "precision=float32")


def run_of(method: str, *overrides: str) -> Run:
    return Run.make("demo", "digits", "resnet8", method, 0, (*SETTINGS, *overrides))


def training_of(run: Run, folder, device="cpu") -> Training:
    splits = data.load(run.recipe.dataset, seed=run.recipe.split_seed, **run.recipe.data_options)
    return Training(run, splits, folder, Session(device=device, say=silent))


@pytest.fixture
def captured(monkeypatch):
    """Let a CPU capture; gives the graphs, each with the number of its replays."""
    graphs = []

    def capture(step):
        results, number = [], len(graphs)
        graphs.append(0)

        def replay():
            graphs[number] += 1
            new = step()
            if not results:
                held.extend(torch.empty_like(value) for value in new)
                results.append(True)
            for old, value in zip(held, new, strict=True):
                old.copy_(value)

        held = []
        return replay, held

    monkeypatch.setattr(graph, "capture", capture)
    monkeypatch.setattr(graph, "check", lambda *_: None)
    return graphs


def history_of(run: Run, folder, device="cpu") -> list[dict]:
    """The rows of all epochs, with a learning rate in float32 as a graph has it."""
    training = training_of(run, folder, device)
    for group in training.optimizer.param_groups:
        group["lr"] = torch.tensor(group["lr"], dtype=torch.float32, device=device)
    rows = []
    for _ in range(run.recipe.epochs):
        row, _ = training.train_epoch()
        training.epoch, training.part = training.epoch + 1, None
        rows.append({name: value for name, value in row.items() if name != "seconds"})
    return rows


@pytest.mark.parametrize("method", ["ce", "adafocal"])
def test_the_same_as_step_by_step(method, captured, tmp_path):
    plain = training_of(run_of(method), tmp_path)
    full = sum(size == plain.recipe.batch_size for size in plain.batch_sizes)
    assert full < len(plain.batch_sizes)  # there are short ones
    graphed = history_of(run_of(method, "cuda_graph=true"), tmp_path)
    assert captured == [2 * full - graph.WARM]
    assert graphed == history_of(run_of(method), tmp_path)


def test_the_learning_rate_of_a_graph_becomes_a_number_in_a_checkpoint_of_another_run(captured, tmp_path):
    graphed = training_of(run_of("ce", "cuda_graph=true"), tmp_path)
    graphed.train_epoch()
    assert isinstance(graphed.optimizer.param_groups[0]["lr"], torch.Tensor)
    graphed.save()
    again = training_of(run_of("ce", "cuda_graph=true"), tmp_path)
    again.restore()
    assert isinstance(again.optimizer.param_groups[0]["lr"], float)


@pytest.mark.parametrize(
    ("change", "images", "lacking"),
    [
        ({}, True, "a CUDA device"),
        ({}, False, "a CUDA device, images"),
        ({"optimizer": "adam", "compile": True}, True, "a CUDA device, optimizer=sgd, compile=false"),
    ],
)
def test_what_cannot_be_captured_is_refused(change, images, lacking):
    recipe = Recipe(**{**vars(run_of("ce").recipe), **change})
    with pytest.raises(ValueError, match=f"^cuda_graph needs {lacking}$"):
        graph.check(recipe, torch.device("cpu"), images, ALONE)


def test_refused_before_anything_is_written(tmp_path):
    run = run_of("ce", "cuda_graph=true")
    with pytest.raises(ValueError, match="cuda_graph needs a CUDA device"):
        train(run, Session(runs=tmp_path, say=silent))
    assert not run.folder(tmp_path).exists()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("method", ["ce", "adafocal"])
def test_a_gpus_graph_takes_the_steps_that_it_would_take_one_by_one(method, tmp_path):
    plain, graphed = (
        history_of(run_of(method, "deterministic=true", *more), tmp_path, "cuda") for more in ((), ("cuda_graph=true",))
    )
    assert graphed == plain
