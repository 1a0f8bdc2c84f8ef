"""Put finished records, without checkpoints, where tables look beside runs/: `python -m experiments.publish --help`."""

import argparse
import json
import sys
from pathlib import Path

from experiments import files, records
from experiments.grid import Run
from experiments.records import BINS, CONFIG, HISTORY, PREDICTIONS, PUBLISHED, RESULT, Record, RecordError

WHOLE = (CONFIG, HISTORY, BINS, PREDICTIONS, RESULT)  # result.json comes last: a folder without it is unfinished
SCORES = (CONFIG, HISTORY, RESULT)


def finished(root: Path) -> list[Record]:
    """The finished records below a folder, each checked to be whole, sound and made by a commit.

    Raises:
        RecordError: one that is not, or none at all.
    """
    folders = [path.parent for path in sorted(root.rglob(RESULT))]
    if not folders:
        raise RecordError(f"{root} holds no finished run")
    return [_checked(folder) for folder in folders]


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
        if records.is_finished(other) and (other / RESULT).read_bytes() != (record.folder / RESULT).read_bytes():
            raise RecordError(f"{other} is another record of the run in {record.folder}: move one of them away")
        if not all((folder / name).exists() for name in names):
            new[folder] = record
    for folder, record in new.items():
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            files.write_bytes(folder / name, (record.folder / name).read_bytes())
    return list(new)


def _checked(folder: Path) -> Record:
    try:
        config = json.loads((folder / CONFIG).read_text())
        pair = (config["recipe"][name] for name in ("scale", "dataset", "model", "method"))
        run = Run.make(*pair, config["seed"], records.overrides_of(config, folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{folder} holds a damaged record: {type(error).__name__}: {error}") from None
    record = records.read(folder, run)
    if config.get("run") != str(run) or folder.absolute().parts[-5:] != tuple(str(run).split("/")):
        raise RecordError(f"{folder} holds the record of {config.get('run')}")
    _ = record.history, record.bins, record.predictions_sha256  # raise where a file is missing or damaged
    if record.commit == "unknown" or record.commit.endswith("+changes"):
        raise RecordError(
            f"{folder} was made by code that no commit holds ({record.commit}): train it from a clean one"
        )
    return record


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.publish",
        description="Copy the finished records below a folder, without checkpoints, to where tables and figures look "
        "for them beside runs/. Nothing is copied unless all of them are whole, sound and made by a clean git commit.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="runs, or a folder in it such as runs/quick")
    parser.add_argument("--into", metavar="DIR", type=Path, default=PUBLISHED, help="default: experiments/results")
    parser.add_argument("--scores-only", action="store_true", help="leave out bins.csv and predictions.npz")
    options = parser.parse_args(arguments)
    try:
        found = finished(options.folder)
        new = publish(found, options.into, SCORES if options.scores_only else WHOLE)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for folder in new:
        print(folder)
    print(f"{options.into}: {len(new)} records published, {len(found) - len(new)} were there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
