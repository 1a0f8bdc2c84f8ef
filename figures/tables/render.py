"""A filled table as Markdown, LaTeX, CSV and HTML."""

import csv
import html
import io
import re
from collections.abc import Collection as Container
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from data import FACTS
from figures.tables.table import Filled, seeds_text
from models import MODELS

# Symbols of the paper, and characters that mean something to LaTeX; of two that begin alike the longer comes first.
ESCAPES = {
    "γ_max": r"$\gamma_{\max}$",
    "S_th": r"$S_{th}$",
    "λ": r"$\lambda$",
    "∞": r"$\infty$",
    "±": r"$\pm$",
    "%": r"\%",
    "&": r"\&",
    "_": r"\_",
}


def caption(filled: Filled) -> str:
    """The sentence under a table that makes its numbers unambiguous."""
    runs = filled.collection
    seeds, total = runs.seeds, len(runs.found)
    text = f"{filled.table.notes} Scale: {filled.scale}. "
    text += f"Mean ± sample standard deviation over {seeds} seeds" if seeds > 1 else "One seed"
    papers, others = _extras(filled)
    text += " (`seeds` where it is another number)." if others else "."
    extremes = {"lowest" if block.best is min else "highest" for block in filled.table.blocks}
    text += f" Bold: the {' or '.join(sorted(extremes))} mean of a row, and what lies within its standard deviation."
    if papers:
        text += f" Rows `paper`: {filled.table.source}."
    text += "".join(f" Data: {note}." for note in runs.data_notes)
    text += f" From {len(runs.done)} of {total} runs"
    text += f", {len(runs.left_out)} of them lack some of these scores" if runs.left_out else ""
    return text + (f", on {'; '.join(runs.devices)}." if runs.devices else ".")


def _extras(filled: Filled) -> tuple[bool, bool]:
    """Whether a table has numbers of the paper, and cells of another number of seeds than its scale's."""
    cells = [cell for rows in filled.cells.values() for row in rows.values() for cell in row.values()]
    return any(cell.paper for cell in cells), any(cell.seeds not in (0, filled.collection.seeds) for cell in cells)


@dataclass(frozen=True)
class Row:
    """A row as it is shown.

    Attributes:
        names: dataset and model; where the table has them, whose numbers these are, and how many seeds.
        cells: text a column.
        best: whether a cell is marked, a value a column.
    """

    names: list[str]
    cells: list[str]
    best: list[bool]


def layout(filled: Filled, plus_minus: str = "±", bold: str = "**{}**") -> tuple[list[str], dict[str, list[Row]]]:
    """The header of a table's names, and the rows of each block: ours, and below them the paper's."""
    papers, others = _extras(filled)
    header = ["Dataset", "Model", *(["numbers"] if papers else []), *(["seeds"] if others else [])]
    rows: dict[str, list[Row]] = {name: [] for name in filled.cells}
    for block, pairs in filled.cells.items():
        for (dataset, model), row in pairs.items():
            names, found = [FACTS[dataset].label, MODELS[model].label], row.values()
            seeds = [seeds_text(cell.seeds for cell in found if cell.mean is not None)] if others else []
            theirs = any(cell.paper for cell in found)
            if not theirs or any(cell.mean is not None for cell in found):
                shown, best = [cell.text(plus_minus, bold) for cell in found], [cell.best for cell in found]
                rows[block].append(Row([*names, *(["ours"] if papers else []), *seeds], shown, best))
            if theirs:
                shown = [cell.paper_text for cell in found]
                rows[block].append(Row([*names, "paper", *([""] if others else [])], shown, [False] * len(shown)))
    return header, rows


def markdown(filled: Filled) -> str:
    """The table as Markdown, one block below the other."""
    header, rows = layout(filled)
    columns = [column.title for column in filled.table.columns]
    lines = [f"### {filled.table.title}", ""]
    for block in filled.table.blocks:
        lines += [f"**{block.shown_title(filled.scale)}**", ""] if len(filled.table.blocks) > 1 else []
        lines.append(f"| {' | '.join([*header, *columns])} |")
        lines.append("|" + " --- |" * len(header) + " ---: |" * len(columns))
        lines += [f"| {' | '.join([*row.names, *row.cells])} |" for row in rows[block.name]]
        lines.append("")
    return "\n".join([*lines, caption(filled), ""])


def latex(filled: Filled) -> str:
    """The table as LaTeX with booktabs rules."""
    header, rows = layout(filled, r"$\pm$", r"\textbf{{{}}}")
    columns = [column.title for column in filled.table.columns]
    lines = [
        r"\begin{table}",
        r"\centering",
        r"\caption{" + _escape(f"{filled.table.title}. {caption(filled)}") + "}",
        r"\begin{tabular}{" + "l" * len(header) + "r" * len(columns) + "}",
        r"\toprule",
        " & ".join(map(_escape, [*header, *columns])) + r" \\",
    ]
    for block in filled.table.blocks:
        title = _escape(block.shown_title(filled.scale))
        lines += [r"\midrule", rf"\multicolumn{{{len(header) + len(columns)}}}{{l}}{{\emph{{{title}}}}} \\"]
        for row in rows[block.name]:
            cells = [cell.replace("–", "--") for cell in row.cells]
            lines.append(" & ".join([*map(_escape, row.names), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _escape(text: str) -> str:
    return re.sub("|".join(ESCAPES), lambda found: ESCAPES[found[0]], text)


def long_csv(filled: Filled) -> str:
    """The table as CSV, a row a cell, in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ("mean", "std", "seeds", "temperature", "best")
    writer.writerow(["scale", "block", "dataset", "model", "method", *names, "paper", "paper_temperature"])
    for block, rows in filled.cells.items():
        for pair, row in rows.items():
            for method, cell in row.items():
                ours = [getattr(cell, name) for name in names]
                theirs = [cell.paper.value, cell.paper.temperature] if cell.paper else ["", ""]
                writer.writerow([filled.scale, block, *pair, method, *ours, *theirs])
    return text.getvalue()


def html_tables(filled: Filled) -> str:
    """The table as HTML, one block below the other."""
    header, rows = layout(filled, bold="{}")
    columns = [column.title for column in filled.table.columns]
    text_columns = {j for j, name in enumerate(header) if name != "seeds"}
    parts = []
    for block in filled.table.blocks:
        shown = rows[block.name]
        best = {(i, j + len(header)) for i, row in enumerate(shown) for j, marked in enumerate(row.best) if marked}
        title = block.shown_title(filled.scale) if len(filled.table.blocks) > 1 else ""
        cells = [(*row.names, *row.cells) for row in shown]
        parts.append(html_table((*header, *columns), cells, text_columns, title, best))
    return "".join(parts)


def html_table(
    header: Sequence[str],
    rows: Iterable[Sequence],
    text_columns: Container[int],
    caption: str = "",
    best: Container[tuple[int, int]] = (),
) -> str:
    """A table as HTML: `text_columns` are aligned to the left, the cells (row, column) in `best` are bold."""

    def cell(tag: str, value, i: int, j: int) -> str:
        kinds = " ".join(name for name, yes in (("text", j in text_columns), ("best", (i, j) in best)) if yes)
        attribute = f' class="{kinds}"' if kinds else ""
        return f"<{tag}{attribute}>{html.escape(str(value))}</{tag}>"

    head = "".join(cell("th", name, -1, j) for j, name in enumerate(header))
    body = "".join(
        "<tr>" + "".join(cell("td", value, i, j) for j, value in enumerate(row)) + "</tr>" for i, row in enumerate(rows)
    )
    above = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
