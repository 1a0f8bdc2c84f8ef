"""BERT for texts, through transformers, which only these functions import: it takes two seconds."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from data.facts import Facts


class SequenceClassifier(nn.Module):
    """A sequence classifier of transformers that takes nothing but ids.

    Args:
        encoder: a `...ForSequenceClassification` model with `pad_token_id` in its config.
    """

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder
        self.pad_id = encoder.config.pad_token_id

    def forward(self, ids: Tensor) -> Tensor:
        """[B, L] int64 ids, padded at the end -> logits [B, K] float32. Padding is not attended to.

        Raises:
            ValueError: L is more than the encoder has positions for.
        """
        limit = getattr(self.encoder.config, "max_position_embeddings", ids.shape[1])
        if ids.shape[1] > limit:
            raise ValueError(f"texts have {ids.shape[1]} tokens, the encoder has positions for {limit}")
        mask = ids != self.pad_id
        mask[:, 0] = True  # a text of nothing but padding would have nothing to attend to: NaN
        # for every query at once: of a mask [B, L] transformers would ask the device whether it hides anything
        return self.encoder(input_ids=ids, attention_mask=mask[:, None, None, :]).logits.float()


def bert(facts: Facts, pretrained: str = "bert-base-uncased", download: bool = False) -> nn.Module:
    """A pretrained encoder with a fresh classification head, all of it trained.

    Args:
        facts: of the dataset.
        pretrained: local directory with config.json and model.safetensors, or name on the hub. Its tokenizer has
            to be the dataset's.
        download: ask the hub; otherwise only what is on this machine is taken.

    Raises:
        ValueError: nothing there to load, weights in pickles only, or weights of another encoder.
    """
    _refuse_pickles(pretrained)
    with _quiet():
        from transformers import AutoModelForSequenceClassification

        try:
            encoder, report = AutoModelForSequenceClassification.from_pretrained(
                pretrained,
                num_labels=facts.num_classes,
                local_files_only=not download,
                use_safetensors=True,
                dtype=torch.float32,
                attn_implementation="sdpa",  # whose masks are booleans
                output_loading_info=True,
            )
        except Exception as error:  # whatever a broken file drives the parsers into
            raise ValueError(
                f"cannot load the pretrained model {pretrained!r}: {' '.join(str(error).split())[:200]}; give a local "
                "directory with config.json and model.safetensors (model option pretrained), or fetch it with "
                "download=True where there is a network"
            ) from error
    lacking = [
        name
        for name in sorted(report["missing_keys"])
        if name.startswith(f"{encoder.base_model_prefix}.") and ".pooler." not in name
    ]
    if lacking:  # transformers would draw them at random
        raise ValueError(
            f"the weights of {pretrained!r} lack {len(lacking)} of the encoder's tensors: {lacking[0]}, ..."
        )
    return SequenceClassifier(encoder)


def bert_mini(
    facts: Facts,
    vocab_size: int,
    layers: int = 2,
    hidden: int = 64,
    heads: int = 2,
    dropout: float = 0.1,
    vectors: None = None,
) -> nn.Module:
    """A small BERT for the demo, from scratch; 0.2 M parameters with 1,501 ids.

    Args:
        facts: of the dataset.
        vocab_size: number of ids, padding's (0) included.
        layers: transformer blocks.
        hidden: width; the feed-forward layers have four times as much.
        heads: attention heads, a divisor of `hidden`.
        dropout: probability, everywhere BERT has one.
        vectors: None: it has no use for pretrained vectors.

    Raises:
        ValueError: sizes that do not fit, or vectors.
    """
    if vectors is not None:
        raise ValueError("model 'bert-mini' trains its own embedding; it takes no vectors")
    if min(vocab_size, layers, hidden, heads) < 1 or hidden % heads:
        raise ValueError(f"hidden must be a multiple of heads and sizes >= 1, got {hidden}, {heads}, {layers} layers")
    with _quiet():
        from transformers import BertConfig, BertForSequenceClassification

        config = BertConfig(
            vocab_size=vocab_size,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=4 * hidden,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            num_labels=facts.num_classes,
            max_position_embeddings=512,
            pad_token_id=0,
            attn_implementation="sdpa",
        )
        return SequenceClassifier(BertForSequenceClassification(config))


def _refuse_pickles(pretrained: str) -> None:
    """Raise ValueError for a local directory whose weights are no safetensors."""
    folder = Path(pretrained)
    if not folder.is_dir() or any(folder.glob("*.safetensors")):
        return
    pickles = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern))
    if pickles:
        raise ValueError(
            f"{folder} has its weights only in {pickles[0]}, a pickle, which could run any code: convert them to "
            "model.safetensors"
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from reporting the fresh classification head, and its progress bars off."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
