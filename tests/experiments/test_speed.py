"""The fast ways to compute agree with the plain one."""

import numpy as np
import pytest
import torch

import data
import losses
from experiments import records
from experiments.build import build_model, build_optimizer
from experiments.grid import Run
from experiments.speed import choose
from experiments.train import train
from tests.experiments.test_preemption import quiet
from tests.experiments.tiny import tiny_run

CPU = torch.device("cpu")


def losses_of(steps, device=CPU, precision="float32", compiled=False, rounded=False):
    """The mean loss of every step of a run of ResNet-8 on digits, with an order and draws that are always the same.

    With `rounded` it starts from weights rounded to bfloat16.
    """
    run = Run.make("demo", "digits", "resnet8", "adafocal")
    recipe = run.recipe
    split = data.load("digits", seed=0, **recipe.data_options).train.to(device)
    torch.manual_seed(0)
    model = build_model(recipe, split).to(device)
    if rounded:
        model.bfloat16().float()
    speed = choose(precision, compiled, device)
    stepped = speed.compile(speed.layout(model))
    loss, optimizer = losses.build("adafocal", reduction="sum").to(device), build_optimizer(recipe, model)
    found, epoch = [], 0
    while len(found) < steps:
        for batch in split.train_batches(recipe.batch_size, seed=0, epoch=epoch):
            with speed.autocast():
                logits = stepped(speed.inputs(batch.inputs))
            value = loss(logits.float(), batch.labels)
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            optimizer.step()
            found.append(value.item() / len(batch.labels))
        epoch += 1
    return np.array(found[:steps])


def test_bf16_follows_float32_for_100_steps():
    plain, fast = losses_of(100), losses_of(100, precision="bf16")
    assert not np.array_equal(plain, fast)
    assert abs(plain[:5] - fast[:5]).max() < 0.02  # bf16 has 8 bits
    # training is chaotic: then they part about as far as float32 parts from itself after one rounding of its weights
    apart = drift(plain, losses_of(100, rounded=True))
    assert drift(plain, fast) < 3 * apart


def drift(one, other):
    """The largest difference of the means of ten steps."""
    return abs(np.convolve(one - other, np.ones(10) / 10, "valid")).max()


def test_a_compiled_model_follows_the_plain_one():
    plain, fast = losses_of(12), losses_of(12, compiled=True)
    assert abs(plain - fast).max() < 1e-3


def test_a_run_in_bf16_says_so_and_ends_alike(tmp_path):
    scores = {}
    for precision in ("float32", "bf16"):
        run = tiny_run("adafocal", 0, "epochs=12", f"precision={precision}")
        scores[precision] = train(run, runs=tmp_path, say=quiet)["test"]
        config = records.read(run.folder(tmp_path), run).config
        assert config["environment"]["precision"] == precision
    assert scores["bf16"]["error"] == pytest.approx(scores["float32"]["error"], abs=0.06)
    assert scores["bf16"]["ece_em"] == pytest.approx(scores["float32"]["ece_em"], abs=0.06)


def test_the_cpu_computes_in_float32_unless_told_otherwise():
    speed = choose("auto", False, CPU)
    assert (speed.precision, speed.channels_last, speed.compiled) == ("float32", False, False)


@pytest.mark.parametrize(("precision", "message"), [("half", "must be one of auto, float32"), ("tf32", "needs a CUDA")])
def test_bad_precisions_are_refused(precision, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(tiny_run("ce", 0, f"precision={precision}"), runs=tmp_path, say=quiet)
    assert not list(tmp_path.iterdir())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("precision", "near"), [("float32", 0.01), ("tf32", 0.02), ("bf16", 0.05)])
@pytest.mark.parametrize("compiled", [False, True])
def test_the_gpu_follows_the_cpu(precision, near, compiled):
    plain, fast = losses_of(20), losses_of(20, torch.device("cuda"), precision, compiled)
    assert abs(plain[:10] - fast[:10]).max() < near
