"""How every figure looks: colours and marks that survive grey print and colour blindness, sizes, files."""

import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from experiments import files
from experiments.grid import Column

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
# The colours of Okabe and Ito 2008; a hatch or dash beside each, so that grey print keeps them apart. Only methods that
# never share a figure share a colour.
COLOURS = {
    "ce": "#000000",
    "brier": "#E69F00",
    "mmce": "#56B4E9",
    "ls": "#009E73",
    "fl3": "#E69F00",
    "fl4": "#CC79A7",
    "fl5": "#009E73",
    "flsd53": "#0072B2",
    "adafocal": "#D55E00",
    "calfocal1": "#E69F00",
    "calfocal10": "#CC79A7",
    "calfocal100": "#009E73",
}
HATCHES = {"ce": "", "brier": "//", "mmce": "..", "ls": "\\\\", "flsd53": "xx", "adafocal": ""}
DASHES = {
    "fl3": (0, (5, 1.5)),
    "fl4": (0, (5, 1.5, 1, 1.5)),
    "fl5": (0, (1, 1)),
    "flsd53": (0, (3, 1, 1, 1, 1, 1)),
    "calfocal1": (0, (5, 1.5)),
    "calfocal10": (0, (5, 1.5, 1, 1.5)),
    "calfocal100": (0, (1, 1)),
}
OVERRIDDEN = {"color": "#CC79A7", "linestyle": (0, (5, 1.5))}  # a method with other options than its recipe's
ZERO = {"color": "0.35", "linewidth": 0.9, "linestyle": ":", "zorder": 1, "label": "_zero"}  # no calibration error


def colour(method: str) -> str:
    """The colour of a method; one that `COLOURS` does not name is grey."""
    return COLOURS.get(method, "0.45")


def line(column: Column) -> dict:
    """How a column's curve is drawn, as keyword arguments of `Axes.plot`."""
    if column.overrides:
        return dict(OVERRIDDEN)
    width = 1.7 if column.method == "adafocal" else 1.2
    return {"color": colour(column.method), "linestyle": DASHES.get(column.method, "-"), "linewidth": width}


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
