"""The files of 20 Newsgroups: where they are, whether all are there, and their texts without headers."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from data.errors import DataError, fetch_command
from data.files.download import fetch
from data.files.foreign import truncated
from data.files.tar import read_tar
from data.files.tree import FolderTree

GROUPS = (
    "alt.atheism",
    "comp.graphics",
    "comp.os.ms-windows.misc",
    "comp.sys.ibm.pc.hardware",
    "comp.sys.mac.hardware",
    "comp.windows.x",
    "misc.forsale",
    "rec.autos",
    "rec.motorcycles",
    "rec.sport.baseball",
    "rec.sport.hockey",
    "sci.crypt",
    "sci.electronics",
    "sci.med",
    "sci.space",
    "soc.religion.christian",
    "talk.politics.guns",
    "talk.politics.mideast",
    "talk.politics.misc",
    "talk.religion.misc",
)


@dataclass(frozen=True)
class Version:
    """One version of the corpus.

    Attributes:
        parts: the folders that hold the groups, by the number of the part they are.
        archives: names of the archives that hold those folders; the first is the one that is downloaded.
        urls: where that is.
        sha256: of that archive; "" where none is published: its documents are counted instead.
        expected: documents in the whole version.
    """

    parts: dict[str, int]
    archives: tuple[str, ...]
    urls: tuple[str, ...]
    sha256: str
    expected: int


VERSIONS = {
    "newsgroups": Version(
        parts={"20_newsgroups": 0, "20_newsgroup": 0},  # the two archives name their folder differently
        archives=("20news-19997.tar.gz", "20_newsgroups.tar.gz", "20_newsgroups.tar.xz", "news20.tar.gz"),
        urls=(
            "http://qwone.com/~jason/20Newsgroups/20news-19997.tar.gz",
            "http://www.cs.cmu.edu/afs/cs/project/theo-20/www/data/news20.tar.gz",
        ),
        sha256="",
        expected=19_997,
    ),
    "newsgroups-bydate": Version(
        parts={"20news-bydate-train": 0, "20news-bydate-test": 1},
        archives=("20news-bydate.tar.gz",),
        urls=("https://ndownloader.figshare.com/files/5975967",),
        sha256="8f1b2514ca22a5ade8fbb9cfa5727df95fa587f4c87b786e15c759fa66d95610",
        expected=18_846,
    ),
}


class Document(NamedTuple):
    """One document: its part's number, its group, and its text without the header."""

    part: int
    group: str
    text: str


class Source:
    """A folder or an archive that holds a version.

    Args:
        version: the version.
        path: the data root with the version's folders, or the archive.

    Attributes:
        where: what to name in messages.
        identity: changes with the content.
    """

    def __init__(self, version: Version, path: Path):
        self.version, self.path = version, path
        if path.is_dir():
            self.where = ", ".join(str(path / part) for part in version.parts if (path / part).is_dir())
            self._tree = FolderTree(path, tuple(version.parts))
            stamps = "\n".join(f"{name}\0{file}" for name, file in sorted(self._tree.files.items()))
            self.identity = hashlib.sha256(stamps.encode()).hexdigest()
        else:
            self.where = str(path)
            try:
                with open(path, "rb") as file:
                    self.identity = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise DataError(f"cannot read {path}: {error.strerror}") from error
            if version.sha256 not in ("", self.identity) and path.name == version.archives[0]:
                raise DataError(
                    f"{path} has a wrong SHA-256 (expected {version.sha256}): {truncated(path)} remove it and fetch it "
                    "again"
                )

    def documents(self) -> list[Document]:
        """All documents, by part, group and name. Files whose name is no number are no documents."""
        if self.path.is_dir():
            contents = {name: self._tree.read(name) for name in self._tree.files if _place(name, self.version)}
        else:
            contents = read_tar(self.path)
        places = {place: name for name in contents if (place := _place(name, self.version))}
        return [
            Document(part, group, text_of(contents[places[part, group, name]])) for part, group, name in sorted(places)
        ]

    def check(self, documents: list[Document], expected: int | None) -> None:
        """Raise DataError naming the groups that lack documents, unless there are `expected` of the 20 groups.

        With `expected` None, one document is enough.
        """
        if not documents:
            raise DataError(f"no documents {next(iter(self.version.parts))}/<group>/<number> in {self.where}")
        if expected is None:
            return
        found = Counter(document.group for document in documents)
        unknown = sorted(set(found) - set(GROUPS))
        if len(documents) == expected and set(found) == set(GROUPS):
            return
        usual = max(found.values())
        lacking = [f"{group} has {found[group]:,}" for group in GROUPS if found[group] < 0.9 * usual] + [
            f"{group} is none of them" for group in unknown
        ]
        details = f" ({', '.join(lacking[:4])}{', ...' if len(lacking) > 4 else ''})" if lacking else ""
        raise DataError(
            f"{self.where} holds {len(documents):,} documents in {len(found)} groups, expected {expected:,} in "
            f"{len(GROUPS)}{details}: incomplete? remove it and fetch it again"
        )


def open_source(root: Path, version: Version, name: str, download: bool) -> Source:
    """The version's folders or else an archive below `root`, downloaded if that is allowed and nothing is there.

    Raises:
        DataError: nothing there, or a download that failed.
    """
    if any((root / part).is_dir() for part in version.parts):
        return Source(version, root)
    for archive in (*version.archives[1:], version.archives[0]):
        if (root / archive).is_file():
            return Source(version, root / archive)
    target = root / version.archives[0]
    if not download:
        folders = ", ".join(f"{part}/" for part in version.parts)
        raise DataError(
            f"no {name} in {root.absolute()}: looked for {folders}, {', '.join(version.archives)}; fetch it with: "
            f"{fetch_command(name, root)}"
        )

    def verify(path: Path) -> None:
        source = Source(version, path)
        source.check(source.documents(), version.expected)

    if version.sha256:
        fetch(version.urls, target, sha256=version.sha256)
    else:
        fetch(version.urls, target, verify=verify)
    return Source(version, target)


def text_of(content: bytes) -> str:
    """A document's text: all from its first blank line on, or all of it where there is none.

    Source: the code of Kumar et al. 2018. Bytes are latin-1; line breaks of any kind count as one.
    """
    text = content.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    return text[max(text.find("\n\n"), 0) :]


def _place(path: str, version: Version) -> tuple[int, str, str] | None:
    """(part, group, name) of a document's path; None for anything else."""
    parts = path.split("/")[-3:]
    if len(parts) < 3 or parts[0] not in version.parts or not parts[2].isdecimal():
        return None
    return version.parts[parts[0]], parts[1], parts[2]
