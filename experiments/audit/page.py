"""Tables on a terminal, and pages of HTML that need no other file."""

import base64
import html
import io
import itertools
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from calibration import reliability_diagram
from calibration.diagram import panels

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # a browser fetches nothing from elsewhere
STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .6rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
.wide { overflow-x: auto }
img { max-width: 100%; height: auto }
"""
AUDIT_STYLE = """
th[colspan] { text-align: center }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff }
figure { display: inline-block; margin: 0 1rem 0 0 }
img { width: 22rem }
figcaption { text-align: center }
"""


def print_table(header: list[str], rows: Iterable[list[str]], first: int = 0) -> list[list[str]]:
    """Print rows in columns as they come, the first one to the left, the others to the right; returns them.

    Args:
        header: of the columns.
        rows: cells.
        first: width of the first column; 0 waits for all rows.
    """
    if not first:
        rows = list(rows)
        first = max(len(row[0]) for row in [header, *rows])
        widths = [max(len(row[i]) for row in [header, *rows]) for i in range(1, len(header))]
    else:
        widths = [max(len(name), 8) for name in header[1:]]
    printed = []
    for row in itertools.chain([header], rows):
        cells = (cell.rjust(width) for cell, width in zip(row[1:], widths, strict=True))
        tqdm.write("  ".join([row[0].ljust(first), *cells]).rstrip(), file=sys.stdout)  # above a bar
        sys.stdout.flush()
        printed.append(row)
    return printed[1:]


def picture(confidence: np.ndarray, correct: np.ndarray, num_bins: int) -> str:
    """A reliability diagram as the source of an HTML image."""
    from matplotlib.figure import Figure

    ax, counts_ax = panels(Figure(figsize=(3.6, 4.6), layout="constrained"))
    reliability_diagram(confidence, correct, num_bins, ax=ax, counts_ax=counts_ax)
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def document(title: str, style: str, body: str) -> str:
    """A page of HTML that fetches nothing.

    Args:
        title: of the window.
        style: CSS, after what all pages have.
        body: HTML.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<title>{html.escape(title)}</title><style>{STYLE}{style}</style></head><body>{body}</body></html>\n"
    )


def _html_table(header: list[str], rows: list[list[str]], groups: Sequence[tuple[str, int]] = ()) -> str:
    """A table; groups are a line above its header: names, and how many columns each is for."""

    def line(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    above = "".join(f'<th colspan="{width}">{html.escape(name)}</th>' for name, width in groups)
    above = f"<tr>{above}</tr>" if groups else ""
    body = "".join(line(row, "td") for row in rows)
    return f'<div class="wide"><table>{above}{line(header, "th")}{body}</table></div>'


def page(title: str, notes: list[str], tables: list[tuple], pictures: dict[str, str]) -> str:
    """The audit's page.

    Args:
        title: of the page.
        notes: a paragraph each.
        tables: title, header and rows of each, and where its columns have groups, these.
        pictures: captions to sources.
    """
    said = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    body = "".join(f"<h2>{html.escape(name)}</h2>{_html_table(*table)}" for name, *table in tables)
    shown = "".join(
        f'<figure><img alt="{html.escape(name)}" src="{source}"><figcaption>{html.escape(name)}</figcaption></figure>'
        for name, source in pictures.items()
    )
    shown = f"<h2>Reliability</h2>{shown}" if pictures else ""
    return document(title, AUDIT_STYLE, f"<h1>{html.escape(title)}</h1>{said}{body}{shown}")


def check_place(out: Path | None, inputs: Iterable[Path | None]) -> None:
    """Refuse a file to write whose folder is not there, or that is one of those to read."""
    if out is None:
        return
    if not out.absolute().parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {out.parent}")
    if any(path and path.exists() and out.exists() and path.samefile(out) for path in inputs):
        raise ValueError(f"--out {out} would overwrite the predictions in it")
