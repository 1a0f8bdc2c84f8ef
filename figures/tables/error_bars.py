"""The paper's Appendix G: mean and standard deviation over seeds of the test ECE_EW (`make error_bars`)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from data import FACTS
from experiments.methods import METHODS
from experiments.records import files
from figures import style
from figures.tables import render
from figures.tables.table import Filled, score_table
from models import MODELS

NAME = "error_bars"


def draw(filled: Filled, figure: Figure) -> None:
    """One panel before and one after temperature scaling: a group of bars a dataset-model pair, a bar a method.

    A bar is the mean over seeds, its whisker one sample standard deviation to both sides; a pair without a run is left
    out.
    """
    pairs = [
        pair for pair, row in filled.cells["before"].items() if any(cell.mean is not None for cell in row.values())
    ]
    axes = figure.subplots(2, 1, sharex=True, squeeze=True)
    columns = filled.table.columns
    width = 0.8 / len(columns)
    for ax, block in zip(axes, filled.table.blocks, strict=True):
        for i, column in enumerate(columns):
            cells = [filled.cells[block.name][pair][column.key] for pair in pairs]
            mean, std = (
                np.array([np.nan if getattr(cell, name) is None else getattr(cell, name) for cell in cells], float)
                for name in ("mean", "std")
            )
            ax.bar(
                np.arange(len(pairs)) + (i - (len(columns) - 1) / 2) * width,
                mean,
                width,
                yerr=np.nan_to_num(std),
                color=METHODS[column.method].colour,
                hatch=METHODS[column.method].hatch,
                edgecolor="white",
                error_kw={"ecolor": "0.3", "elinewidth": 0.8, "capsize": 1.5},
                label=column.title,
            )
        ax.set(ylabel="ECE_EW (%)", title=block.title)
        ax.grid(False, axis="x")
    axes[-1].set_xticks(
        np.arange(len(pairs)),
        [f"{FACTS[dataset].label}\n{MODELS[model].label}" for dataset, model in pairs],
    )
    axes[0].legend(ncols=len(columns), loc="lower center", bbox_to_anchor=(0.5, 1.12), fontsize=7)


def picture(filled: Filled, folder: Path) -> list[str]:
    """Write the figure and the text under it; returns their suffixes."""
    figure = style.new(7.0, 4.2)
    draw(filled, figure)
    style.save(figure, folder, NAME)
    files.write_bytes(folder / f"{NAME}.txt", f"{render.caption(filled)}\n".encode())
    return ["pdf", "png", "txt"]


TABLE = replace(score_table("ece_ew", "ECE over 15 bins of equal width", table="error_bars"), draw=picture)
