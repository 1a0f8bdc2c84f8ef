"""A filled table as Markdown, LaTeX, CSV and HTML."""

import csv
import html
import io
import re
from collections.abc import Collection as Container
from collections.abc import Iterable, Sequence

from data import FACTS
from figures.tables.table import Filled
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
    text += " (n where it is another number)."
    extremes = {"lowest" if block.best is min else "highest" for block in filled.table.blocks}
    text += f" Bold: the {' or '.join(sorted(extremes))} mean of a row, and what lies within its standard deviation."
    if any(cell.paper for block in filled.cells.values() for row in block.values() for cell in row.values()):
        text += f" In square brackets: {filled.table.source} (AdaFocal's of 5 runs, the others' of single checkpoints)."
    text += "".join(f" Data: {note}." for note in runs.data_notes)
    text += f" From {len(runs.done)} of {total} runs"
    return text + (f", on {'; '.join(runs.devices)}." if runs.devices else ".")


def markdown(filled: Filled) -> str:
    """The table as Markdown, one block below the other."""
    lines = [f"### {filled.table.title}", ""]
    for block in filled.table.blocks:
        lines += [f"**{block.shown_title(filled.scale)}**", ""] if len(filled.table.blocks) > 1 else []
        lines.append("| Dataset | Model | " + " | ".join(column.title for column in filled.table.columns) + " |")
        lines.append("| --- | --- |" + " ---: |" * len(filled.table.columns))
        for (dataset, model), row in filled.cells[block.name].items():
            shown = " | ".join(row[column.key].text(filled.collection.seeds) for column in filled.table.columns)
            lines.append(f"| {FACTS[dataset].label} | {MODELS[model].label} | {shown} |")
        lines.append("")
    return "\n".join([*lines, caption(filled), ""])


def latex(filled: Filled) -> str:
    """The table as LaTeX with booktabs rules."""
    columns = len(filled.table.columns)
    lines = [
        r"\begin{table}",
        r"\centering",
        r"\caption{" + _escape(f"{filled.table.title}. {caption(filled)}") + "}",
        r"\begin{tabular}{ll" + "r" * columns + "}",
        r"\toprule",
        "Dataset & Model & " + " & ".join(_escape(column.title) for column in filled.table.columns) + r" \\",
    ]
    for block in filled.table.blocks:
        title = _escape(block.shown_title(filled.scale))
        lines += [r"\midrule", rf"\multicolumn{{{columns + 2}}}{{l}}{{\emph{{{title}}}}} \\"]
        for (dataset, model), row in filled.cells[block.name].items():
            cells = [row[c.key].text(filled.collection.seeds, r"$\pm$", r"\textbf{{{}}}") for c in filled.table.columns]
            names = (_escape(FACTS[dataset].label), _escape(MODELS[model].label))
            lines.append(" & ".join([*names, *(cell.replace("–", "--") for cell in cells)]) + r" \\")
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
    header = ("Dataset", "Model", *(column.title for column in filled.table.columns))
    parts = []
    for block in filled.table.blocks:
        rows = [
            (
                FACTS[dataset].label,
                MODELS[model].label,
                *(row[column.key].text(filled.collection.seeds, bold="{}") for column in filled.table.columns),
            )
            for (dataset, model), row in filled.cells[block.name].items()
        ]
        best = {
            (i, j + 2)
            for i, row in enumerate(filled.cells[block.name].values())
            for j, column in enumerate(filled.table.columns)
            if row[column.key].best
        }
        title = block.shown_title(filled.scale) if len(filled.table.blocks) > 1 else ""
        parts.append(html_table(header, rows, {0, 1}, title, best))
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
