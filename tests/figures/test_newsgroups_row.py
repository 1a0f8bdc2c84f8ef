"""The README's picture of the newsgroups row."""

import numpy as np
from PIL import Image

from experiments.methods import TABLE_METHODS
from figures.documents import PICTURE, ROOT
from figures.pictures import newsgroups_row
from figures.pictures.newsgroups_row import PANELS, draw, write


def test_it_shows_the_published_numbers():
    assert not write(ROOT / PICTURE), "stale: call `make documents`"


def test_ours_are_means_with_their_deviation_and_the_papers_are_rings():
    cells = {name: ([1.0, 3.0] if name == "ce" else [], float(i)) for i, name in enumerate(TABLE_METHODS)}
    figure = draw(dict.fromkeys(PANELS, cells))
    for ax in figure.axes:
        rings = [line for line in ax.lines if line.get_markerfacecolor() == "none"]
        assert [line.get_xdata()[0] for line in rings] == list(range(len(TABLE_METHODS)))
        (ours,) = ax.containers
        assert ours.lines[0].get_xdata()[0] == 2.0
        np.testing.assert_allclose(ours.lines[2][0].get_segments()[0][:, 0], [2 - 2**0.5, 2 + 2**0.5])


def test_other_numbers_are_drawn_anew(tmp_path, monkeypatch):
    path = tmp_path / "row.png"
    assert write(path)
    before = path.read_bytes()
    assert not write(path)
    cells = {name: ([1.0], 2.0) for name in TABLE_METHODS}
    monkeypatch.setattr(newsgroups_row, "newsgroups_cells", lambda title: cells)
    assert write(path)
    assert path.read_bytes() != before
    with Image.open(path) as image:
        assert image.size[0] > image.size[1]
