"""The report: what it holds, and that a real browser loads it without a complaint."""

import re
import shutil
import subprocess

import pytest

from experiments import grid
from figures import cache, report
from tests.figures.test_pictures import PICTURES, runs  # noqa: F401
from tests.support.waiting import HANGS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.filterwarnings("ignore:left out")


@pytest.fixture
def page(runs, tmp_path):  # noqa: F811
    """The file, made from ten records."""
    assert report.main(["--runs", str(runs), "--out", str(tmp_path)]) == 0
    cache.use(None)
    return tmp_path / "demo/report.html"


def test_it_has_everything_and_says_what_is_missing(page):
    text = page.read_text()
    for name in grid.EXPERIMENTS:
        assert f'<section id="{name}">' in text
    assert text.count('src="data:image/png;base64,') == len(PICTURES) + 1  # the error bars
    assert "Made from 10 of 103 run records. Missing: 93;" in text
    assert "python -m experiments.run --for fig13" in text
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert "demo/digits/resnet8/calfocal100/seed0" in text.split('id="runs"')[1]


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_loads_it_without_a_complaint(page, tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text(page.read_text().replace("<nav>", '<img src="http://localhost:9/picture.png"><nav>', 1))
    complaints = [load(path, tmp_path) for path in (page, broken)]
    assert complaints[0] == []
    assert "Content Security Policy" in complaints[1][0]  # so that the check can fail


def load(path, tmp_path) -> list[str]:
    """What Chromium writes to its console when it loads a page and takes a screenshot of it."""
    shot = tmp_path / f"{path.stem}.png"
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--no-first-run", "--disable-background-networking", "--enable-logging=stderr", "--log-level=0"]
    command += [f"--screenshot={shot}", "--window-size=1300,2000", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS, check=True)
    assert shot.stat().st_size > 50_000
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]
