"""A tiny 20 Newsgroups: 20 groups of a few documents, as a folder or a tar archive."""

import io
import tarfile
from pathlib import Path

from data.newsgroups_files import GROUPS

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
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
