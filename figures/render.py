"""A filled table as Markdown, LaTeX and CSV."""

import csv
import io

from experiments import grid
from experiments.recipes import METHODS
from figures.names import DATASETS, MODELS
from figures.tables import Filled


def caption(filled: Filled) -> str:
    """The sentence under a table that makes its numbers unambiguous."""
    seeds, total = grid.SEEDS[filled.scale], len(grid.runs_of(filled.table.name, filled.scale))
    text = f"{filled.table.notes} Scale: {filled.scale}. Mean ± sample standard deviation over {seeds} seeds"
    text += " (n where it is another number). The lowest mean of a row is bold."
    if any(cell.paper for block in filled.cells.values() for row in block.values() for cell in row.values()):
        text += " In square brackets: the paper's number (5 runs)."
    text += "".join(f" Data: {note}." for note in filled.data_notes)
    text += f" From {total - len(filled.missing)} of {total} runs"
    return text + (f", on {'; '.join(filled.devices)}." if filled.devices else ".")


def markdown(filled: Filled) -> str:
    """The table as Markdown, one block below the other."""
    lines = [f"### {filled.table.title}", ""]
    for block in filled.table.blocks:
        lines += [f"**{block.title}**", ""] if len(filled.table.blocks) > 1 else []
        lines.append("| Dataset | Model | " + " | ".join(METHODS[m].label for m in filled.table.methods) + " |")
        lines.append("| --- | --- |" + " ---: |" * len(filled.table.methods))
        for (dataset, model), row in filled.cells[block.name].items():
            shown = " | ".join(row[method].text(grid.SEEDS[filled.scale]) for method in filled.table.methods)
            lines.append(f"| {DATASETS.get(dataset, dataset)} | {MODELS.get(model, model)} | {shown} |")
        lines.append("")
    return "\n".join([*lines, caption(filled), ""])


def latex(filled: Filled) -> str:
    """The table as LaTeX with booktabs rules."""
    columns = len(filled.table.methods)
    lines = [
        r"\begin{table}",
        r"\centering",
        r"\caption{" + _escape(f"{filled.table.title}. {caption(filled)}") + "}",
        r"\begin{tabular}{ll" + "r" * columns + "}",
        r"\toprule",
        "Dataset & Model & " + " & ".join(_escape(METHODS[m].label) for m in filled.table.methods) + r" \\",
    ]
    for block in filled.table.blocks:
        lines += [r"\midrule", rf"\multicolumn{{{columns + 2}}}{{l}}{{\emph{{{_escape(block.title)}}}}} \\"]
        for (dataset, model), row in filled.cells[block.name].items():
            cells = [row[m].text(grid.SEEDS[filled.scale], r"$\pm$", r"\textbf{{{}}}") for m in filled.table.methods]
            names = (_escape(DATASETS.get(dataset, dataset)), _escape(MODELS.get(model, model)))
            lines.append(" & ".join([*names, *(cell.replace("–", "--") for cell in cells)]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _escape(text: str) -> str:
    for plain, tex in (("_", r"\_"), ("%", r"\%"), ("±", r"$\pm$"), ("λ", r"$\lambda$"), ("&", r"\&")):
        text = text.replace(plain, tex)
    return text


def long_csv(filled: Filled) -> str:
    """The table as CSV, a row a cell, in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ("mean", "std", "seeds", "temperature", "lowest")
    writer.writerow(["scale", "block", "dataset", "model", "method", *names, "paper", "paper_temperature"])
    for block, rows in filled.cells.items():
        for pair, row in rows.items():
            for method, cell in row.items():
                ours = [getattr(cell, name) for name in names]
                theirs = [cell.paper.value, cell.paper.temperature] if cell.paper else ["", ""]
                writer.writerow([filled.scale, block, *pair, method, *ours, *theirs])
    return text.getvalue()
