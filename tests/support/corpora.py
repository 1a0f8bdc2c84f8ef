"""A tiny 20 Newsgroups of a few documents a group, as a folder or a tar archive, and encoders and vectors to match."""

import io
import tarfile
from pathlib import Path

from data.sets.newsgroups_files import GROUPS

# The pieces of `write_tokenizer`.
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "of", "topic", "doc", "x", *(f"##{i}" for i in range(10))]
PAD, UNK, CLS, SEP, THE, OF, TOPIC = 0, 1, 2, 3, 5, 6, 7

HEADER = "From: somebody@example.org\nSubject: header words\n\n"


def write_newsgroups(root: Path, per_group: int = 5, folder: str = "20_newsgroups", groups=GROUPS) -> int:
    """Write `per_group` documents of common words and the group's own word; returns how many there are in all."""
    for g, group in enumerate(groups):
        (root / folder / group).mkdir(parents=True, exist_ok=True)
        for i in range(per_group):
            body = "the of " * (i + 1) + f"topic{g} " * 3 + f"doc{g}x{i}"
            (root / folder / group / str(1000 + i)).write_text(HEADER + body + "\n", encoding="latin-1")
    return per_group * len(groups)


def write_vectors(path: Path, lines=("the 1 2 3", "of -1 0.5 0", "topic3 0.1 0.2 0.3", "unused 9 9 9")) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def tar_folder(root: Path, folder: str, archive: Path, mode: str = "w:gz") -> None:
    with tarfile.open(archive, mode) as tar:
        tar.add(root / folder, folder)


def tar_of(archive: Path, members: list, mode: str = "w:gz") -> None:
    """An archive of (name, content) pairs and ready TarInfo objects."""
    with tarfile.open(archive, mode) as tar:
        add_members(tar, members)


def add_members(tar: tarfile.TarFile, members) -> None:
    """(name, content) pairs and ready TarInfo objects."""
    for member in members:
        if isinstance(member, tarfile.TarInfo):
            tar.addfile(member)
        else:
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            tar.addfile(info, io.BytesIO(member[1]))


def write_tokenizer(folder, pad: str = "[PAD]") -> str:
    """A WordPiece tokenizer of `VOCAB` in the layout of the hub; returns the folder's name."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(VOCAB)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", SEP), ("[CLS]", CLS))
    names = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"} | ({"pad_token": pad} if pad else {})
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    return str(folder)


def write_encoder(folder: Path, vocab_size: int = len(VOCAB), pad_id: int = PAD) -> Path:
    """A tiny BERT with random weights and the tokenizer of `VOCAB`, in the layout of the hub."""
    import torch
    from transformers import BertConfig, BertModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=vocab_size,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
            pad_token_id=pad_id,
            initializer_range=0.5,  # at the usual 0.02 a text hardly changes the logits
        )
        BertModel(config).save_pretrained(folder)
    write_tokenizer(folder)
    return folder
