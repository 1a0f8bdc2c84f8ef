"""The README's picture: the newsgroups CNN beside the paper's row of Table 1 (`make documents`)."""

import io
import json
from pathlib import Path
from statistics import mean, stdev

from matplotlib.figure import Figure
from PIL import Image

from experiments.methods import METHODS, TABLE_METHODS
from experiments.records import files
from figures import style
from figures.claims.scores import newsgroups_cells

PANELS = ("ECE_EM before", "ECE_EM after", "error")
Cells = dict[str, tuple[list[float], float]]


def draw(panels: dict[str, Cells]) -> Figure:
    """A panel a score, a method a row: ours as a filled mark (mean ± standard deviation), the paper's as a ring."""
    figure = style.new(7.0, 2.6)
    axes = figure.subplots(1, len(panels), sharey=True)
    for ax, (title, cells) in zip(axes, panels.items(), strict=True):
        for place, name in enumerate(TABLE_METHODS):
            ours, theirs = cells[name]
            ax.plot(theirs, place, "o", mfc="none", color="0.2", label="the paper" if place == 0 else None)
            if ours:
                spread = stdev(ours) if len(ours) > 1 else 0.0
                label = "here" if place == 0 else None
                ax.errorbar(mean(ours), place, xerr=spread, fmt="D", ms=4, color=METHODS[name].colour, label=label)
        ax.set(title=f"{title} (%)", xlim=(0, None) if title.startswith("ECE") else None)
        ax.grid(axis="x", color="0.9")
    axes[0].set_yticks(range(len(TABLE_METHODS)), [METHODS[name].label for name in TABLE_METHODS])
    axes[0].invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def write(path: Path) -> bool:
    """Draw the picture unless the one there shows the same numbers; returns whether it was written.

    The numbers stand in the image's metadata: other versions of fonts draw other bytes.
    """
    panels = {title: newsgroups_cells(title) for title in PANELS}
    numbers = json.dumps(panels)
    if path.exists():
        with Image.open(path) as image:
            if image.info.get("Description") == numbers:
                return False
    buffer = io.BytesIO()
    draw(panels).savefig(buffer, format="png", dpi=200, metadata={"Software": None, "Description": numbers})
    files.write_bytes(path, buffer.getvalue())
    return True
