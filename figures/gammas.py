"""The final gammas of AdaFocal's runs in one CSV: `python -m figures.gammas` (`make gammas`)."""

import argparse
import sys
import warnings
from pathlib import Path

import pandas as pd

from experiments.command import add_out, add_runs, refusing, until_nobody_reads
from experiments.records import BINS, PUBLISHED, files
from experiments.records.dataframe import frame

RUN = ["scale", "dataset", "model", "method", "overrides", "seed", "kept_epoch"]


def final_gammas(*folders: Path) -> pd.DataFrame:
    """A row a run and bin, of every finished run whose loss has a gamma a bin and whose record has its bins.

    Args:
        folders: where to look; none takes the published records. Of two records of one run the first counts.

    Returns:
        The run (scale, dataset, model, method, overrides, seed, kept_epoch), and of its last epoch: epoch, bin, lower
        and upper (edges in confidence, the upper one excluded but in the last bin), gamma after that epoch's update.
    """
    parts = [pd.DataFrame(columns=[*RUN, "epoch", "bin", "lower", "upper", "gamma"])]
    for _, run in frame(*folders).drop_duplicates(RUN[:-1]).iterrows():
        path = Path(run["folder"]) / BINS
        try:
            bins = pd.read_csv(path).rename(columns={"val_lower": "lower", "val_upper": "upper"})[parts[0].columns[-5:]]
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError) as error:  # pandas' own errors are ValueErrors
            warnings.warn(f"left out: {path} is damaged: {error}", stacklevel=2)
            continue
        last = bins[(bins["epoch"] == bins["epoch"].max()) & bins["gamma"].notna()]
        if len(last):
            parts.append(last.assign(**run[RUN]))
    return pd.concat(parts[1:] or parts)[parts[0].columns]


@refusing()
def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m figures.gammas",
        description="Write the final gammas and bin edges of every run of AdaFocal that has them into one CSV.",
    )
    add_runs(parser)
    add_out(parser)
    options = parser.parse_args(arguments)
    found = final_gammas(options.runs, PUBLISHED)
    path = options.out / "gammas.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_bytes(path, found.to_csv(index=False).encode())
    print(f"written: {path}, {len(found)} rows of {len(found[RUN].drop_duplicates())} runs")
    return 0


if __name__ == "__main__":
    sys.exit(until_nobody_reads(main))
