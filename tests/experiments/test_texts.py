"""Runs on texts: the two CNNs, BERT from scratch and fine-tuned, through the same trainer and records as images."""

import copy
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

import data
from experiments import records, train
from experiments.grid import MAX_NAME, Run
from experiments.methods import TABLE_METHODS
from experiments.recipes import recipe
from experiments.training.errors import CannotResume
from experiments.training.loop import Training
from experiments.training.model import build_model
from experiments.training.optimizer import build_optimizer, learning_rate
from experiments.training.session import Session
from tests.support.commands import refused
from tests.support.corpora import write_encoder, write_newsgroups, write_vectors
from tests.support.training import Interrupted, interrupt_after, record_of, silent

TINY = ("data_options.test_size=20", "data_options.val_size=10", "data_options.num_documents=100", "epochs=3")
TOPICS = ("data_options.train_size=100", "data_options.val_size=60", "data_options.test_size=40", "epochs=3")


@pytest.fixture
def root(tmp_path):
    """A data root with 100 documents, vectors and an encoder called bert-tiny."""
    root = tmp_path / "data"
    write_newsgroups(root)
    write_vectors(root / "glove.tiny.txt")
    write_encoder(root / "bert-tiny")
    return root


def run_of(model: str, method: str = "adafocal", *overrides: str) -> Run:
    if model == "bert":
        own = ("data_options.max_tokens=32", "pretrained=bert-tiny", "batch_size=16", "update_every=3", "lr=0.001")
        return Run.make("paper", "newsgroups", "bert", method, 1, (*TINY, *own, *overrides))
    if model == "cnn":
        own = ("model_options.channels=8", "batch_size=16")
        return Run.make("paper", "newsgroups", "cnn", method, 1, (*TINY, *own, *overrides))
    small = {"topics-cnn": "channels=8", "topics-bert-mini": "hidden=8"}[model]
    own = (*TOPICS, f"model_options.{small}", "milestones=2")
    return Run.make("demo", "topics", model[7:], method, 1, (*own, *overrides))


@pytest.mark.parametrize("model", ["cnn", "bert", "topics-cnn", "topics-bert-mini"])
def test_a_resumed_run_equals_an_undisturbed_one(root, tmp_path, model):
    run = run_of(model)
    result = train.train(run, Session(data_root=root, runs=tmp_path / "straight", say=silent))
    session = Session(data_root=root, runs=tmp_path / "resumed", checkpoint_seconds=0, say=silent)
    for epoch in (1, 2):
        with pytest.raises(Interrupted):
            train.train(run, replace(session, on_epoch=interrupt_after(epoch)))
        torch.manual_seed(999)
    train.train(run, session)
    assert record_of(run.folder(tmp_path / "resumed")) == record_of(run.folder(tmp_path / "straight"))
    record = records.read(run.folder(tmp_path / "straight"), run)
    assert 0 <= result["test"]["error"] <= 1
    assert record.predictions["test_logits"].shape == (len(record.predictions["test_labels"]), 20)
    expected = {"cnn": "glove.tiny.txt, 3-d, covers", "bert": "tokenizer bert-tiny, 20 ids, sha256"}.get(model, "")
    assert record.config["note"].startswith(expected)
    how = "padded at the end to the longest" if "bert" in model else "packed, padding in front"
    assert record.config["batching"] == f"cuts of a permutation of all samples; texts {how}"
    assert record.config["pretrained_sha256"] == (data.weights_sha256(root / "bert-tiny") if model == "bert" else None)


def test_every_text_cell_of_the_tables_has_its_recipe():
    cnn, bert = (recipe("newsgroups", model, "adafocal", "paper") for model in ("cnn", "bert"))
    assert (cnn.epochs, cnn.batch_size, cnn.optimizer, cnn.lr, cnn.reduction) == (50, 128, "adam", 1e-3, "mean")
    sizes = {"test_size": 3999, "val_size": 900}
    assert cnn.data_options == {**sizes, "num_words": 20_000, "max_tokens": 1000}
    assert (cnn.weight_decay, cnn.clip_norm, cnn.update_every) == (0, 0, 0)
    assert (cnn.keep, cnn.drop_last, cnn.split_seed) == ("best", True, 1)
    reductions = {method: recipe("newsgroups", "cnn", method, "paper").reduction for method in TABLE_METHODS}
    assert {method for method, reduction in reductions.items() if reduction == "sum"} == {"ls"}
    assert (bert.keep, bert.drop_last, bert.split_seed, bert.reduction) == ("last", False, 1, "mean")
    assert bert.data_options == {**sizes, "max_tokens": 512}
    assert (bert.optimizer, bert.lr, bert.schedule, bert.warmup) == ("adamw", 2e-5, "linear", 0.1)
    assert (bert.pretrained, bert.update_every, bert.decay_all) == ("bert-base-uncased", 100, False)
    assert recipe("newsgroups", "bert", "ce", "paper").update_every == 0
    assert recipe("newsgroups", "bert", "ce", "quick").epochs == 1
    assert recipe("newsgroups-bydate", "cnn", "ce", "paper").data_options == {
        "val_size": 900, "num_words": 20_000, "max_tokens": 1000
    }  # fmt: skip


def test_a_net_is_told_texts_that_are_not_packed_for_it(root, tmp_path):
    run = run_of("cnn", "ce", "data_options.receptive_field=20")
    with pytest.raises(ValueError, match=r"cnn needs texts packed for 21 tokens, these are for 20: --set data_options"):
        train.train(run, Session(data_root=root, runs=tmp_path, say=silent))
    with pytest.raises(ValueError, match=r"bert-mini needs texts packed for 0 tokens, these are for 21"):
        train.train(
            run_of("topics-bert-mini", "ce", "data_options.receptive_field=21"), Session(runs=tmp_path, say=silent)
        )
    assert not list(tmp_path.glob("[!d]*"))


def test_the_linear_schedule_is_that_of_transformers():
    from transformers import get_linear_schedule_with_warmup

    made = recipe("newsgroups", "bert", "ce", "paper", ("warmup=0.25", "lr=0.5"))
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    theirs = get_linear_schedule_with_warmup(optimizer, num_warmup_steps=10, num_training_steps=40)
    for step in range(40):
        assert learning_rate(made, step, steps_an_epoch=10) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert learning_rate(recipe("newsgroups", "bert", "ce", "paper", ("warmup=0", "lr=0.5")), 0, 10) == 0.5


def test_milestones_count_epochs():
    made = recipe("cifar10", "resnet50", "ce", "paper", ("milestones=2,3", "epochs=4"))
    rates = [learning_rate(made, step, steps_an_epoch=5) for step in range(20)]
    assert rates == pytest.approx([0.1] * 10 + [0.01] * 5 + [0.001] * 5)


def test_biases_and_normalisation_do_not_decay_where_the_recipe_says_so(root):
    made = recipe("topics", "bert-mini", "ce", "demo", ("data_options.train_size=100",))
    split = data.load("topics", **made.data_options).train
    model = build_model(made, split)
    decays, spared = build_optimizer(made, model).param_groups
    assert (decays["weight_decay"], spared["weight_decay"]) == (0.01, 0)
    assert all(parameter.ndim == 1 for parameter in spared["params"])
    assert len(decays["params"]) + len(spared["params"]) == len(list(model.parameters()))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert all("bias" in names[id(p)] or "LayerNorm" in names[id(p)] for p in spared["params"])


def test_gamma_moves_every_k_steps_and_nothing_else_pays_for_it(root, tmp_path, monkeypatch):
    seen = []

    class Counting(Training):
        def train_epoch(self):
            if self.adapts:
                update = type(self.loss).update
                monkeypatch.setattr(self.loss, "update", lambda *a: (seen.append(self.steps), update(self.loss, *a)))
            return super().train_epoch()

    monkeypatch.setattr("experiments.training.job.Training", Counting)
    run = run_of("bert")  # 70 documents in batches of 16: 5 steps an epoch, 15 in all, gamma every 3
    train.train(run, Session(data_root=root, runs=tmp_path / "runs", say=silent))
    assert seen == [3, 6, 9, 12, 15]
    calls = []
    monkeypatch.setattr("experiments.training.loop.predict", lambda *a: calls.append(a) or predict(*a))
    from experiments.training.evaluate import predict

    train.train(run_of("bert", "ce"), Session(data_root=root, runs=tmp_path / "runs", say=silent))
    assert len(calls) == 2 * 3  # validation and test, once an epoch


def command(*more: str, model: str = "bert") -> list[str]:
    settings = [part for text in (*TINY, "data_options.max_tokens=32", "batch_size=16") for part in ("--set", text)]
    return ["--dataset", "newsgroups", "--model", model, "--method", "ce", "--scale", "paper", *settings, *more]


def test_a_local_encoder_fills_no_cell_of_the_published_one(root, tmp_path, capsys):
    options = ["--data-root", str(root), "--runs", str(tmp_path / "runs"), "--pretrained", str(root / "bert-tiny")]
    assert train.main(command(*options)) == 0
    out = capsys.readouterr().out
    assert "ce+batch_size=16+data_options.max_tokens=32" in out
    assert "+pretrained=bert-tiny/seed0 on cpu" in out
    assert "test error" in out


def test_what_does_not_fit_is_refused_and_nothing_written(root, tmp_path, capsys):
    base = ["--data-root", str(root), "--runs", str(tmp_path / "runs")]

    def line(*more, model="bert"):
        text = refused(capsys, train.main, *command(*base, *more, model=model))
        assert not (tmp_path / "runs").exists()
        return text

    assert "no pretrained encoder in" in line()
    assert "python -m data bert-base-uncased --data-root" in line()
    assert "no pretrained encoder in" in line("--pretrained", str(tmp_path / "nowhere"))
    assert "takes no pretrained encoder" in line("--pretrained", str(root / "bert-tiny"), model="cnn")
    assert "model 'bert' needs a pretrained encoder" in line("--set", "pretrained=")
    (root / "no-tokenizer").mkdir()
    for name in ("config.json", "model.safetensors"):
        (root / "no-tokenizer" / name).write_bytes((root / "bert-tiny" / name).read_bytes())
    assert "no tokenizer in" in line("--pretrained", str(root / "no-tokenizer"))
    (root / "bert-tiny").rename(root / "bert-base-uncased")
    assert "model.safetensors is not that of bert-base-uncased" in line()


def test_a_tokenizer_of_another_encoder_is_refused(root, tmp_path):
    write_encoder(root / "other", pad_id=3)
    run = run_of("bert", "ce", "pretrained=other")
    with pytest.raises(ValueError, match="bert pads with id 3, the texts' tokenizer with 0"):
        train.train(run, Session(data_root=root, runs=tmp_path / "runs", say=silent))


def test_a_checkpoint_of_other_weights_is_refused(root, tmp_path):
    run = run_of("bert")
    with pytest.raises(Interrupted):
        train.train(
            run, Session(data_root=root, runs=tmp_path, checkpoint_seconds=0, say=silent, on_epoch=interrupt_after(1))
        )
    path = root / "bert-tiny" / "model.safetensors"
    weights = copy.copy(load_file(path))
    save_file({name: value + 1 for name, value in weights.items()}, path, metadata={"format": "pt"})
    with pytest.raises(CannotResume, match="made with another pretrained"):
        train.train(run, Session(data_root=root, runs=tmp_path, say=silent))


def test_many_overrides_still_make_a_folder():
    names = ("num_words", "max_tokens", "receptive_field", "val_size", "test_size")
    few = tuple(f"data_options.{name}=7" for name in names)
    many = (*few, "data_options.num_documents=3", "lr=0.5", "epochs=3", "model_options.channels=3", "clip_norm=7")
    runs = [Run.make("paper", "newsgroups", "cnn", "ce", 0, overrides) for overrides in (few, many)]
    short, long = (str(run).split("/")[3] for run in runs)
    assert "+data_options.num_words=7" in short
    assert long.startswith("ce+10overrides-")
    assert max(len(short), len(long)) <= MAX_NAME
    with_other_value = Run.make("paper", "newsgroups", "cnn", "ce", 0, (*many, "lr=0.25"))
    assert str(with_other_value) != str(runs[1])
