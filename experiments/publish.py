"""Put finished records, without checkpoints, where tables look beside runs/: `python -m experiments.publish --help`."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.files.tar import read_tar
from experiments import records
from experiments.command import a_path, refusing, until_nobody_reads
from experiments.grid import Run
from experiments.records import (
    BINS,
    CONFIG,
    HISTORY,
    PREDICTIONS,
    PUBLISHED,
    RESULT,
    Record,
    RecordError,
    files,
    formats,
)

WHOLE = (CONFIG, HISTORY, BINS, PREDICTIONS, RESULT)  # result.json comes last: a folder without it is unfinished
MAY_LACK = {"bins": BINS, "predictions": PREDICTIONS}  # most of a record's size


def finished(root: Path) -> list[Record]:
    """The finished records below a folder, each checked to be whole, sound and made by a commit.

    Raises:
        RecordError: one that is not, or none at all.
    """
    folders = [path.parent for path in sorted(root.rglob(RESULT))]
    if not folders:
        raise RecordError(f"{root} holds no finished run")
    return [_checked(folder) for folder in folders]


@contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """The folder `source`, or one with the files of the tar archive `source`, of which only a record's are taken.

    Raises:
        DataError: a tar that is damaged or not safe to unpack.
    """
    if source.is_dir():
        yield source
        return
    if not source.exists():
        raise RecordError(f"there is no {source}: give a folder or a tar of records")
    with tempfile.TemporaryDirectory() as temporary:
        for path, content in read_tar(source).items():
            if Path(path).name in WHOLE:
                (Path(temporary) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(temporary) / path).write_bytes(content)
        yield Path(temporary)


def publish(found: list[Record], into: Path = PUBLISHED, names: tuple[str, ...] = WHOLE) -> list[Path]:
    """Copy records below `into`, under the names of their runs.

    Args:
        found: of `finished`.
        into: the folder of the published records.
        names: the files to copy.

    Returns:
        The folders that got files; a record that is there already gives none.

    Raises:
        RecordError: two different records of the same run, one of them published perhaps; nothing has been copied then.
    """
    new: dict[Path, Record] = {}
    for record in found:
        folder = into / record.config["run"]
        other = new[folder].folder if folder in new else folder
        grown = False
        if records.is_finished(other) and (other / RESULT).read_bytes() != (record.folder / RESULT).read_bytes():
            grown = other == folder and _has_grown(folder, record)
            if not grown:
                raise RecordError(f"{other} is another record of the run in {record.folder}: move one of them away")
        if grown or not all((folder / name).exists() for name in names):
            new[folder] = record
    for folder, record in new.items():
        folder.mkdir(parents=True, exist_ok=True)
        for name in (name for name in WHOLE if name in names or (folder / name).exists()):
            content = (record.folder / name).read_bytes()
            files.write_bytes(folder / name, _of_any_machine(content) if name == CONFIG else content)
    return list(new)


def _has_grown(folder: Path, record: Record) -> bool:
    """Whether a record is the one published in `folder` with scores of `experiments.ood` that it has got since."""
    old = json.loads((folder / RESULT).read_text())
    scored = [{**result, "ood": {}, "sha256": {}} for result in (old, record.result)]
    same = (folder / HISTORY).read_bytes() == (record.folder / HISTORY).read_bytes()
    return same and scored[0] == scored[1] and old.get("ood", {}).items() <= record.result.get("ood", {}).items()


def _of_any_machine(config: bytes) -> bytes:
    """`config.json` without the folders of the machine that wrote it: of an absolute path only the name is kept."""
    content = json.loads(config)
    places = [content["environment"], *content.get("earlier_environments", [])]
    if not any(os.path.isabs(word) for place in places for word in place.get("command", [])):
        return config
    for place in places:
        place["command"] = [Path(word).name if os.path.isabs(word) else word for word in place.get("command", [])]
    return files.json_text(content).encode()


def _checked(folder: Path) -> Record:
    try:
        config, _ = formats.read_json(folder)
        pair = (config["recipe"][name] for name in ("scale", "dataset", "model", "method"))
        run = Run.make(*pair, config["seed"], config["overrides"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{folder} holds a damaged record: {type(error).__name__}: {error}") from None
    record = records.read(folder, run)
    if config.get("run") != str(run) or folder.absolute().parts[-5:] != tuple(str(run).split("/")):
        raise RecordError(f"{folder} holds the record of {config.get('run')}")
    _ = record.history, record.bins, record.predictions_sha256  # raise where a file is missing or damaged
    for commit in record.commits:
        if commit == "unknown" or commit.endswith("+changes"):
            raise RecordError(f"{folder} was made by code that no commit holds ({commit}): train it from a clean one")
    return record


@refusing()
def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.publish",
        description="Copy the finished records below a folder or in a tar, without checkpoints, to where tables and "
        "figures look for them beside runs/. Nothing is copied unless all of them are whole, sound and made by a clean "
        "git commit.",
    )
    parser.add_argument(
        "source", metavar="DIR_OR_TAR", type=a_path, help="runs, a folder in it such as runs/quick, or a tar of records"
    )
    parser.add_argument("--into", metavar="DIR", type=a_path, default=PUBLISHED, help="default: experiments/results")
    parser.add_argument(
        "--without",
        nargs="+",
        choices=MAY_LACK,
        default=[],
        help=f"leave out {' or '.join(MAY_LACK.values())}, most of a record's size, where nothing shows them",
    )
    options = parser.parse_args(arguments)
    left_out = [MAY_LACK[name] for name in options.without]
    with unpacked(options.source) as folder:
        found = finished(folder)
        new = publish(found, options.into, tuple(name for name in WHOLE if name not in left_out))
    for folder in new:
        print(folder)
    print(f"{options.into}: records published: {len(new)}, there already: {len(found) - len(new)}")
    return 0


if __name__ == "__main__":
    sys.exit(until_nobody_reads(main))
