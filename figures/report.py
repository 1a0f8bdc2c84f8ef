"""One self-contained HTML page with every table and figure of a scale (`make report`)."""

import base64
import html
import sys
from pathlib import Path

from tqdm import tqdm

from experiments import grid, scales
from experiments.audit.page import document
from experiments.command import refusing, until_nobody_reads
from experiments.records import Record, files
from figures import cache, command, outputs
from figures.collect import Reader
from figures.outputs import Made
from figures.tables import render

NAME = "report.html"
STYLE = """
h2 { margin-top: 3rem; border-top: 1px solid #ddd; padding-top: 1rem }
th.text, td.text { text-align: left }
caption { text-align: left; font-weight: 600; padding: .3rem 0 }
td.best { font-weight: 700 }
pre { background: #f5f5f5; padding: .6rem; overflow-x: auto; font-size: 13px }
nav a { margin-right: .9rem }
.note { color: #555; max-width: 60rem }
"""


def section(made: Made, folder: Path) -> str:
    """A table or figure, the text below it, and the commands for what is missing."""
    if made.table:
        shown = render.html_tables(made.table)
        note = render.caption(made.table)
    else:
        shown, note = "", made.shown
    if "png" in made.suffixes:
        picture = base64.b64encode((folder / f"{made.name}.png").read_bytes()).decode()
        shown += f'<img alt="{html.escape(made.title)}" src="data:image/png;base64,{picture}">'
    hint = f"<details><summary>what is missing</summary><pre>{html.escape(made.hint)}</pre></details>"
    return (
        f'<section id="{made.name}"><h2>{html.escape(made.title)}</h2><div class="wide">{shown}</div>'
        f'<p class="note">{html.escape(note)}</p>{hint if made.hint else ""}</section>'
    )


def provenance(done: dict[grid.Run, Record]) -> str:
    """A row a run: where, when it stopped training, by which code, on which data it was made."""
    header = ("run", "commit", "device", "torch", "epochs", "training (s)", "training data", "SHA-256", "data note")
    rows = []
    for run, record in done.items():
        config, environment = record.config, record.config["environment"]
        data = config["data"].get("train", {})
        rows.append(
            (
                str(run),
                record.commit[:12] + ("+" if record.commit.endswith("+changes") else ""),
                ", then ".join(record.computed_on),
                environment.get("packages", {}).get("torch", ""),
                config["recipe"]["epochs"],
                f"{record.result['seconds'] or 0:,.0f}",
                f"{data.get('samples', 0):,}",
                data.get("sha256", "")[:12],
                config["note"] or "",
            )
        )
    return render.html_table(header, rows, text_columns={0, 1, 2, 7, 8})


def page(scale: str, all_made: list[Made], found: dict[grid.Run, Record | None], folder: Path) -> str:
    """The page: contents, every section, and the provenance of every run that was found."""
    done = {run: record for run, record in found.items() if record is not None}
    missing = len(found) - len(done)
    links = " ".join(f'<a href="#{made.name}">{made.name}</a>' for made in all_made)
    lacking = f" Missing: {missing}; each section names the commands that train its own." if missing else ""
    sections = "".join(section(made, folder) for made in all_made)
    body = (
        f"<h1>AdaFocal: every table and figure at the scale {scale}</h1>"
        f"<p>Made from {len(done)} of {len(found)} run records.{lacking} Scores are of the test set unless a figure "
        "says otherwise; gamma, temperatures and calibrators see the validation set only.</p>"
        f'<nav>{links} <a href="#runs">runs</a></nav>{sections}'
        f'<section id="runs"><h2>Where the numbers come from</h2><div class="wide">{provenance(done)}</div>'
        '<p class="note">A commit with + had changes that were not committed.</p></section>'
    )
    return document(f"AdaFocal: {scale}", STYLE, body)


@refusing()
def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = command.parser(
        "python -m figures.report", "Every table and figure of a scale, and a page with all of them."
    )
    options = parser.parse_args(arguments)
    options.scale = scales.resolve(options)
    folder = options.out / options.scale
    cache.use(options.out / ".cache")
    find = Reader(options.runs)  # reads each record once
    all_made = [
        outputs.make(name, options.scale, find, folder)
        for name in tqdm(outputs.names(), unit="table or figure", disable=None)
    ]
    found: dict[grid.Run, Record | None] = {}
    for made in all_made:
        for run, record in made.collection.found.items():
            found[run] = found.get(run) or record  # a figure may need what a table does not
    files.write_bytes(folder / NAME, page(options.scale, all_made, found, folder).encode())
    missing = [run for run, record in found.items() if record is None]
    there = f"{len(found) - len(missing)} of {len(found)}"
    print(f"{len(all_made)} tables and figures of scale {options.scale}, from {there} runs")
    if missing:
        print(f"Missing runs: {len(missing)}. The page names the commands that train them, table by table")
    print(f"written: {folder}/ and {folder / NAME}")
    return 0


if __name__ == "__main__":
    sys.exit(until_nobody_reads(main))
