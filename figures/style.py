"""How every figure looks: colours and marks that survive grey print and colour blindness, sizes, files."""

import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from experiments import files

matplotlib.rcParams.update(
    {
        "pdf.fonttype": 42,  # embedded TrueType: text stays text
        "font.size": 8,
        "axes.titlesize": 8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "0.9",
        "axes.axisbelow": True,
        "legend.frameon": False,
        "svg.hashsalt": "adafocal",
    }
)
# The colours of Okabe and Ito 2008; a hatch or dash beside each, so that grey print keeps them apart.
COLOURS = {
    "ce": "#000000",
    "brier": "#E69F00",
    "mmce": "#56B4E9",
    "ls": "#009E73",
    "fl3": "#F0E442",
    "fl4": "#CC79A7",
    "fl5": "#999999",
    "flsd53": "#0072B2",
    "adafocal": "#D55E00",
}
HATCHES = {"ce": "", "brier": "//", "mmce": "..", "ls": "\\\\", "flsd53": "xx", "adafocal": ""}


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
