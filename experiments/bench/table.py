"""Measurements as Markdown."""

from itertools import groupby

from experiments.bench.timing import Row


def line(row: Row) -> str:
    """A row as Markdown."""
    other, ratio, limit = (f"{value:.3g}" if value else "–" for value in (row.other, row.ratio, row.limit))
    return f"| {row.what} | {row.seconds:.3g} | {row.against or '–'} | {other} | {ratio} | {limit} |"


HEADER = "| what | seconds | against | its seconds | ratio | allowed |\n| --- | ---: | --- | ---: | ---: | ---: |"


def markdown(rows: list[Row], costs: list[tuple[str, float]], notes: str) -> str:
    """All measurements, a table a group."""
    parts = []
    for name, group in groupby(rows, key=lambda row: row.group):
        parts.append("\n".join([f"**{name[0].upper()}{name[1:]}**", "", HEADER, *map(line, group), ""]))
    if costs:
        shown = ", ".join(f"`{name}` {100 * share:.0f} %" for name, share in costs)
        parts.append(f"Largest costs of the training steps: {shown}.\n")
    return "\n".join([*parts, notes, ""])
