"""How every figure looks: colours and marks that survive grey print and colour blindness, sizes, files."""

import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from experiments.grid import Column
from experiments.methods import METHODS
from experiments.records import files

matplotlib.rcParams.update(
    {
        "pdf.fonttype": 42,  # embedded TrueType: text stays text
        "font.size": 8,
        "axes.titlesize": 8,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "0.9",
        "axes.axisbelow": True,
        "legend.frameon": False,
        "legend.handlelength": 2.8,  # long enough to tell the dashes apart
        "lines.linewidth": 1.2,
        "svg.hashsalt": "adafocal",
    }
)
OVERRIDDEN = {"color": "#CC79A7", "linestyle": (0, (5, 1.5))}  # a method with other options than its recipe's
ZERO = {"color": "0.35", "linewidth": 0.9, "linestyle": ":", "zorder": 1, "label": "_zero"}  # no calibration error


def line(column: Column) -> dict:
    """How a column's curve is drawn, as keyword arguments of `Axes.plot`."""
    if column.overrides:
        return dict(OVERRIDDEN)
    width = 1.7 if column.method == "adafocal" else 1.2
    method = METHODS[column.method]
    return {"color": method.colour, "linestyle": method.dashes, "linewidth": width}


def new(width: float = 7.0, height: float = 3.0) -> Figure:
    """An empty figure; sizes in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write `name`.pdf and `name`.png, each whole or not at all; equal figures give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix, dpi=200, metadata=metadata)
        files.write_bytes(folder / f"{name}.{suffix}", buffer.getvalue())
