"""The wrapper around transformers, with a tiny BERT on disk."""

import json
import logging

import pytest
import torch
import torch.nn.functional as F

from models import build
from tests.support.corpora import write_encoder

PAD = 3  # not 0, so that a mask of zeros would be seen


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny pretrained encoder without a classification head."""
    return write_encoder(tmp_path_factory.mktemp("bert"), vocab_size=40, pad_id=PAD)


@pytest.fixture
def net(folder):
    torch.manual_seed(1)
    return build("bert", "newsgroups", pretrained=str(folder)).double().eval()  # but the last rounding, of the logits


def texts(*lengths: int, width: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    rows = [torch.randint(4, 40, (length,), generator=rng) for length in lengths]
    return torch.stack([F.pad(row, (0, width - len(row)), value=PAD) for row in rows])


def test_padding_does_not_change_logits(net):
    ids = texts(5, 12, 20, width=20)
    logits = net(ids)
    assert logits.shape == (3, 20)
    torch.testing.assert_close(net(F.pad(ids, (0, 30), value=PAD)), logits, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(net(ids[:1, :5]), logits[:1], rtol=1e-6, atol=1e-9)


def test_what_lies_in_padding_is_not_attended_to(net):
    ids = texts(5, 12, width=20)
    with torch.no_grad():
        before = net(ids)
        net.encoder.bert.embeddings.word_embeddings.weight[PAD] += 10
        torch.testing.assert_close(net(ids), before, rtol=1e-6, atol=1e-9)
        everywhere = net.encoder(input_ids=ids).logits
    assert not torch.allclose(everywhere.float(), before, rtol=1e-4, atol=1e-4)


def test_a_text_of_padding_alone_is_finite(net):
    logits = net(torch.full((2, 6), PAD))
    assert logits.isfinite().all()
    loss = F.cross_entropy(logits, torch.tensor([0, 1]))
    loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters() if parameter.grad is not None)


def test_pretrained_weights_are_taken_and_the_head_is_drawn_from_the_seed(folder):
    from transformers import BertModel

    source = BertModel.from_pretrained(folder).state_dict()
    torch.manual_seed(1)
    first = build("bert", "newsgroups", pretrained=str(folder))
    torch.manual_seed(1)
    second = build("bert", "newsgroups", pretrained=str(folder), num_classes=20)
    torch.manual_seed(2)
    third = build("bert", "newsgroups", pretrained=str(folder))
    for name, tensor in source.items():
        assert torch.equal(first.state_dict()[f"encoder.bert.{name}"], tensor)
    assert torch.equal(first.encoder.classifier.weight, second.encoder.classifier.weight)
    assert not torch.equal(first.encoder.classifier.weight, third.encoder.classifier.weight)
    assert build("bert", "newsgroups", pretrained=str(folder), num_classes=3)(texts(4, width=4)).shape == (1, 3)
    assert first(texts(4, width=4)).dtype == torch.float32
    assert first.training


def test_every_parameter_is_trained(net):
    net.train()
    F.cross_entropy(net(texts(30, 64, 50, width=64)), torch.tensor([0, 1, 2])).backward()
    assert all(parameter.requires_grad and parameter.grad.abs().sum() > 0 for parameter in net.parameters())


def test_more_tokens_than_positions(net):
    with pytest.raises(ValueError, match="texts have 65 tokens, the encoder has positions for 64"):
        net(texts(5, width=65))


def test_loading_is_silent_and_leaves_the_logger_as_it_was(folder, capfd, caplog):
    from transformers.utils import logging as their_logging

    level = their_logging.get_verbosity()
    with caplog.at_level(logging.INFO):
        build("bert", "newsgroups", pretrained=str(folder))
    output = capfd.readouterr()
    assert output.out + output.err == ""
    assert not caplog.records
    assert their_logging.get_verbosity() == level
    assert their_logging.is_progress_bar_enabled()


def test_weights_in_pickles_are_refused(folder, tmp_path):
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    torch.save({"x": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(
        ValueError, match=r"weights only in pytorch_model\.bin, a pickle.*convert them to model\.safetensors"
    ):
        build("bert", "newsgroups", pretrained=str(tmp_path))


def test_weights_of_another_encoder_are_refused(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "layer.1." not in name and "pooler" not in name}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"lack 16 of the encoder's tensors: bert\.encoder\.layer\.1\."):
        build("bert", "newsgroups", pretrained=str(tmp_path))


@pytest.mark.parametrize("state", ["absent", "empty", "no weights", "truncated", "other config"])
def test_what_cannot_be_loaded_is_said_in_one_line(folder, tmp_path, monkeypatch, state):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pretrained = tmp_path / "model"
    if state != "absent":
        pretrained.mkdir()
    if state in ("no weights", "truncated", "other config"):
        config = json.loads((folder / "config.json").read_text())
        if state == "other config":
            config["hidden_size"] = 24
        (pretrained / "config.json").write_text(json.dumps(config))
    if state in ("truncated", "other config"):
        weights = (folder / "model.safetensors").read_bytes()
        (pretrained / "model.safetensors").write_bytes(weights[:1000] if state == "truncated" else weights)
    with pytest.raises(
        ValueError, match=r"cannot load the pretrained model '.*model': .*give a local directory"
    ) as error:
        build("bert", "newsgroups", pretrained=str(pretrained))
    assert "\n" not in str(error.value)


def test_mini():
    torch.manual_seed(0)
    net = build("bert-mini", "topics", vocab_size=51, vectors=None)
    assert sum(parameter.numel() for parameter in net.parameters()) == 141_716
    ids = torch.randint(1, 51, (4, 30))
    ids[1, 10:] = 0
    ids[2] = 0
    F.cross_entropy(net(ids), torch.arange(4)).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in net.parameters())
    net.double().eval()
    torch.testing.assert_close(net(F.pad(ids, (0, 12))), net(ids), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_size": 5, "vectors": torch.zeros(5, 2)}, "trains its own embedding; it takes no vectors"),
        ({"vocab_size": 5, "hidden": 10, "heads": 4}, "hidden must be a multiple of heads"),
        ({"vocab_size": 0}, "sizes >= 1"),
    ],
)
def test_mini_errors(options, message):
    with pytest.raises(ValueError, match=message):
        build("bert-mini", "topics", **options)
