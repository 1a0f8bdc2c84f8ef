"""The fast ways to compute agree with the plain one, as far as their arithmetic lets them."""

import functools
import os

import numpy as np
import pytest
import torch
from torch import nn

import data
import losses
import models
from experiments import records
from experiments.grid import Run
from experiments.train import train
from experiments.training import checkpoint
from experiments.training.distributed import World
from experiments.training.errors import Preempted
from experiments.training.model import build_model
from experiments.training.optimizer import build_optimizer
from experiments.training.precision import choose
from experiments.training.session import Session
from tests.support.runs import tiny_run
from tests.support.training import After, record_of, silent

CPU = torch.device("cpu")
GPU = pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")])
UNIT = {"float32": 2**-24, "tf32": 2**-11, "bf16": 2**-8}  # the largest relative error of a rounding


def losses_of(steps, device=CPU, compiled=False):
    """The mean loss of every step of a run of ResNet-8 on digits in float64, always with the same order and draws.

    Ways to compute that differ by rounding alone part by what training makes of it. That may be a million times as
    much after a dozen steps: in float64, whose roundings are of 2^-53, still nothing beside 1e-8.
    """
    recipe = Run.make("demo", "digits", "resnet8", "adafocal").recipe
    split = data.load("digits", seed=0, **recipe.data_options).train.to(device)
    torch.manual_seed(0)
    model = build_model(recipe, split).double().to(device)
    speed = choose("float32", compiled, device)
    stepped = speed.compile(speed.layout(model))
    loss, optimizer = losses.build("adafocal", reduction="sum").to(device), build_optimizer(recipe, model)
    found = []
    for batch, _ in zip(split.train_batches(recipe.batch_size, seed=0, epoch=0), range(steps), strict=False):
        with speed.autocast():
            logits = stepped(speed.inputs(batch.inputs.double()))
        value = loss(logits, batch.labels)
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        optimizer.step()
        found.append(value.item() / len(batch.labels))
    assert len(found) == steps
    return np.array(found)


@pytest.mark.parametrize("device", ["cpu", GPU])
def test_a_compiled_model_follows_the_plain_one(device):
    found = losses_of(10, torch.device(device), compiled=True)
    assert found == pytest.approx(losses_of(10), rel=1e-8)


@pytest.mark.parametrize("device", [GPU])
def test_the_gpu_follows_the_cpu(device):
    assert losses_of(10, torch.device(device)) == pytest.approx(losses_of(10), rel=1e-8)


@pytest.mark.parametrize("precision", ["float32", pytest.param("tf32", marks=GPU.marks), "bf16"])
@pytest.mark.parametrize("device", ["cpu", GPU])
def test_products_are_as_exact_as_their_type(device, precision):
    if (device, precision) == ("cpu", "tf32"):
        pytest.skip("a GPU's type")
    speed, unit = choose(precision, False, torch.device(device)), UNIT[precision]
    torch.manual_seed(0)
    for layer, shape in ((nn.Linear(64, 10), (32, 64)), (nn.Conv2d(3, 8, 3, padding=1), (4, 3, 9, 9))):
        x = torch.randn(shape, device=device)
        layer.to(device)
        with speed.autocast(), torch.no_grad():
            found = layer(x)
        assert found.dtype == (torch.bfloat16 if precision == "bf16" else torch.float32)
        layer.double()
        terms = layer.weight[0].numel() + 1
        with torch.no_grad():
            exact = layer(x.double())
            for parameter in layer.parameters():
                parameter.abs_()
            size = layer(x.double().abs())  # the sum of the terms' magnitudes
        # both factors and the result are rounded to the type, and each addition to float32, of which a GPU's Winograd
        # convolutions may lose five bits
        bits = 5 if device == "cuda" and isinstance(layer, nn.Conv2d) else 0
        bound = (3.1 * unit + 2**bits * terms * UNIT["float32"]) * size
        assert ((found.double() - exact).abs() <= bound).all()


def test_a_run_in_bf16_multiplies_in_it_and_keeps_all_else_in_float32(tmp_path, monkeypatch):
    seen = {"products": set(), "loss": set()}
    make_model, make_loss = models.build, losses.build

    def model(*arguments, **options):
        made = make_model(*arguments, **options)
        for module in made.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.register_forward_hook(lambda module, inputs, output: seen["products"].add(output.dtype))
        return made

    def loss(*arguments, **options):
        made = make_loss(*arguments, **options)
        made.register_forward_pre_hook(lambda module, inputs: seen["loss"].add(inputs[0].dtype))
        return made

    monkeypatch.setattr(models, "build", model)
    monkeypatch.setattr(losses, "build", loss)
    run = tiny_run("ce", 0, "epochs=12", "precision=bf16")
    train(run, Session(runs=tmp_path, say=silent))
    assert seen == {"products": {torch.bfloat16, torch.float32}, "loss": {torch.float32}}  # the logits' own: float32
    state = checkpoint.load(run.folder(tmp_path))
    kept = [*state["model"].values(), *(entry["momentum_buffer"] for entry in state["optimizer"]["state"].values())]
    assert {tensor.dtype for tensor in kept if tensor.is_floating_point()} == {torch.float32}
    record = records.read(run.folder(tmp_path), run)
    assert record.config["environment"]["precision"] == "bf16"
    assert record.history["train_loss"].iloc[-1] < record.history["train_loss"].iloc[0]  # it learns


@pytest.fixture
def processor(monkeypatch):
    """A CPU with the vector width torch may use that is called, with AMX or without."""

    def of(vectors, amx):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: vectors)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)

    return of


@pytest.mark.parametrize(
    ("vectors", "amx", "expected"),
    [("AVX2", False, "float32"), ("AVX512", False, "float32"), ("AVX512", True, "bf16"), ("AVX2", True, "float32")],
)
def test_auto_takes_bf16_on_a_cpu_with_amx_alone(vectors, amx, expected, processor):
    processor(vectors, amx)
    assert choose("auto", False, CPU).precision == expected


def test_packed_texts_are_float32_on_every_cpu(processor):
    processor("AVX512", True)
    assert choose("auto", False, CPU, one_shape=False).precision == "float32"


@pytest.mark.parametrize("model", ["resnet8", "wrn10-2", "cnn", "bert-mini"])
def test_the_demo_computes_in_float32_on_every_processor(model, processor):
    processor("AVX512", True)
    recipe = Run.make("demo", "digits" if model in ("resnet8", "wrn10-2") else "topics", model, "ce").recipe
    assert choose(recipe.precision, False, CPU).precision == "float32"


@pytest.mark.parametrize("first", [True, False])
def test_a_resumed_run_keeps_its_precision_on_another_processor(first, tmp_path, processor):
    run = tiny_run("ce", 0, "precision=auto")
    processor("AVX512", first)
    with pytest.raises(Preempted):
        train(run, Session(runs=tmp_path / "parts", say=silent, should_stop=After(6)))
    processor("AVX512", not first)
    said = []
    train(run, Session(runs=tmp_path / "parts", say=said.append))
    assert ("bf16, as it began; float32" if first else "float32, as it began; bf16") in said[0]
    precision = "bf16" if first else "float32"
    assert records.read(run.folder(tmp_path / "parts"), run).config["environment"]["precision"] == precision
    processor("AVX512", first)
    train(run, Session(runs=tmp_path / "whole", say=silent))
    assert record_of(run.folder(tmp_path / "parts")) == record_of(run.folder(tmp_path / "whole"))


@pytest.mark.parametrize(("precision", "message"), [("half", "must be one of auto, float32"), ("tf32", "needs a CUDA")])
def test_bad_precisions_are_refused(precision, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(tiny_run("ce", 0, f"precision={precision}"), Session(runs=tmp_path, say=silent))
    assert not list(tmp_path.iterdir())


@pytest.fixture
def card(monkeypatch):
    """A card of the name that is called: what `choose` asks of a GPU, and switches, without one."""
    switches = [(torch.backends.cuda.matmul, "allow_tf32")]
    switches += [(torch.backends.cudnn, name) for name in ("allow_tf32", "benchmark", "deterministic")]
    before = [getattr(*switch) for switch in switches]

    def of(name):
        native = {"Turing": False, "Hopper": True}[name]
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or native
        )

    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    yield of
    torch.use_deterministic_algorithms(False)
    os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
    for switch, value in zip(switches, before, strict=True):
        setattr(*switch, value)


@pytest.mark.parametrize(("name", "expected"), [("Turing", "float32"), ("Hopper", "bf16")])
def test_auto_takes_bf16_where_the_cores_have_it(name, expected, card):
    card(name)
    assert choose("auto", False, torch.device("cuda")).precision == expected


def test_processes_on_different_cards_take_the_precision_that_all_have(card):
    class BesideTuring(World):
        def any(self, flag):
            return True  # another process's card lacks it

    card("Hopper")
    assert choose("auto", False, torch.device("cuda"), world=BesideTuring(0, 2)).precision == "float32"


@pytest.mark.parametrize(("precision", "tf32"), [("float32", False), ("tf32", True), ("bf16", False)])
def test_what_bf16_leaves_in_float32_is_float32(precision, tf32, card):
    choose(precision, False, torch.device("cuda"))
    assert torch.backends.cuda.matmul.allow_tf32 == torch.backends.cudnn.allow_tf32 == tf32


def test_deterministic_holds_for_its_run_alone(card):
    cuda, cudnn = torch.device("cuda"), torch.backends.cudnn
    choose("float32", False, cuda, deterministic=True)
    assert (torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark) == (True, True, False)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    choose("float32", False, cuda)
    assert (torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark) == (False, False, True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_deterministic_run_on_a_gpu_twice(tmp_path):
    run = tiny_run("adafocal", 0, "deterministic=true")
    for name in ("a", "b"):
        train(run, Session(runs=tmp_path / name, device="cuda", say=silent))
    assert record_of(run.folder(tmp_path / "a")) == record_of(run.folder(tmp_path / "b"))


def test_a_short_batch_of_images_costs_no_other_its_own_graph(monkeypatch):
    graphs = []

    def backend(graph, inputs):
        graphs.append([type(value) for value in inputs])
        return graph.forward

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    torch.compiler.reset()
    model = choose("float32", True, CPU).compile(torch.nn.Conv2d(3, 4, 3))
    for batch in (32, 20, 32, 20):
        model(torch.zeros(batch, 3, 5, 5))
    torch.compiler.reset()
    assert len(graphs) == 2
    assert all(torch.SymInt not in types for types in graphs)
