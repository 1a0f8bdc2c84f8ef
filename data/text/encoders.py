"""Pretrained encoders of texts: folders in the layout of the Hugging Face hub, with tokenizer and weights."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from data.errors import DataError, fetch_command
from data.files.download import fetch
from data.files.foreign import truncated

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Encoder:
    """A published encoder.

    Attributes:
        repository: its name on the hub.
        revision: the commit there that is meant.
        files: what is needed of it, with the SHA-256 of each; "" where none is known.
    """

    repository: str
    revision: str
    files: dict[str, str]

    def url(self, file: str) -> str:
        """Where one of its files is."""
        return f"https://huggingface.co/{self.repository}/resolve/{self.revision}/{file}"


ENCODERS = {
    "bert-base-uncased": Encoder(
        "google-bert/bert-base-uncased",
        "86b5e0934494bd15c9632b12f734a8a67f723594",
        {
            "config.json": "",
            "tokenizer_config.json": "",
            "tokenizer.json": "",
            "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
            WEIGHTS: "68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3",
        },
    ),
}


def find_encoder(name: str, root: Path, folder: Path | None = None, download: bool = False) -> Path:
    """The folder of an encoder.

    Args:
        name: what the encoder is called: a name in `ENCODERS`, or that of any folder below `root`.
        root: the data root; the encoder is looked for in its folder `name`.
        folder: where it is instead.
        download: fetch an encoder of `ENCODERS` to `root` if it is not there.

    Raises:
        DataError: no such folder, one without weights, a failed download, or a folder that is called like an encoder
            of `ENCODERS` and holds other weights.
    """
    known = ENCODERS.get(name)
    place = Path(folder) if folder else Path(root) / name
    if known and download and folder is None:
        for file, sha256 in known.files.items():
            fetch(known.url(file), place / file, sha256=sha256 or None)
    if not place.is_dir():
        hint = f", or fetch it where there is a network: {fetch_command(name, root)}" if known else ""
        raise DataError(f"no pretrained encoder in {place.absolute()}: put its folder there or give --pretrained{hint}")
    if (state := truncated(place / WEIGHTS)) != "truncated?":
        raise DataError(f"{place / WEIGHTS}: {state} put the file itself there")
    if known and (digest := weights_sha256(place)) not in ("", known.files[WEIGHTS]):
        raise DataError(
            f"{place / WEIGHTS} is not that of {name} (its SHA-256 is {digest[:12]}..., expected "
            f"{known.files[WEIGHTS][:12]}...): truncated? if it is another encoder, give "
            "its folder another name"
        )
    return place


def weights_sha256(folder: Path) -> str:
    """SHA-256 hex of an encoder's weights; "" if they are not in one `model.safetensors`."""
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
