"""The final gammas of AdaFocal's runs in one CSV: `python -m figures.gammas` (`make gammas`)."""

import argparse
import sys
from pathlib import Path

import pandas as pd

from experiments.command import REFUSED, a_path
from experiments.records import BINS, PUBLISHED, files
from experiments.records.dataframe import frame

RUN = ["scale", "dataset", "model", "method", "overrides", "seed", "kept_epoch"]


def final_gammas(*folders: Path) -> pd.DataFrame:
    """A row a run and bin, of every finished run whose loss has a gamma a bin and whose record has its bins.

    Args:
        folders: where to look; none takes the published records.

    Returns:
        The run (scale, dataset, model, method, overrides, seed, kept_epoch), and of its last epoch: epoch, bin, lower
        and upper (edges in confidence, the upper one excluded but in the last bin), gamma after that epoch's update.
    """
    parts = [pd.DataFrame(columns=[*RUN, "epoch", "bin", "lower", "upper", "gamma"])]
    for _, run in frame(*folders).iterrows():
        path = Path(run["folder"]) / BINS
        bins = pd.read_csv(path) if path.exists() else pd.DataFrame({"epoch": [], "gamma": []})
        last = bins[(bins["epoch"] == bins["epoch"].max()) & bins["gamma"].notna()]
        if len(last):
            last = last.rename(columns={"val_lower": "lower", "val_upper": "upper"})
            parts.append(last[["epoch", "bin", "lower", "upper", "gamma"]].assign(**run[RUN]))
    return pd.concat(parts[1:] or parts)[parts[0].columns]


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m figures.gammas",
        description="Write the final gammas and bin edges of every run of AdaFocal that has them into one CSV.",
    )
    parser.add_argument("--runs", metavar="DIR", type=a_path, default=Path("runs"), help="records (default: runs/)")
    parser.add_argument("--out", metavar="DIR", type=a_path, default=Path("out"), help="where to write (default: out/)")
    options = parser.parse_args(arguments)
    found = final_gammas(PUBLISHED, options.runs)
    path = options.out / "gammas.csv"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_bytes(path, found.to_csv(index=False).encode())
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    print(f"written: {path}, {len(found)} rows of {len(found[RUN].drop_duplicates())} runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
