"""The cache of decoded data: a damaged file counts as missing."""

import numpy as np

from data.files.cache import cached

KEY = "0123456789abcdef"


def test_options_that_alternate_are_kept_and_old_ones_go(tmp_path):
    made = []

    def ask(number):
        key = f"{number:016x}"
        return cached(tmp_path, "tiny", key, lambda: made.append(number) or {"number": np.array(number)}, 3)["number"]

    for number in (0, 1, 0, 1, 2, 0, 3, 0, 1):  # 1 is the one that was not used for the longest time when 3 comes
        assert ask(number) == number
    assert made == [0, 1, 2, 3, 1]
    assert len(list((tmp_path / ".cache").glob("*.npz"))) == 3


def test_every_flipped_bit_is_noticed(tmp_path):
    arrays = {"images": np.arange(6, dtype=np.uint8).reshape(2, 3), "labels": np.array([1, 0])}
    made = []

    def make():
        made.append(1)
        return arrays

    cached(tmp_path, "tiny", KEY, make)
    (path,) = (tmp_path / ".cache").glob("*.npz")
    whole = path.read_bytes()
    for place in range(8 * len(whole)):
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        found = cached(tmp_path, "tiny", KEY, make)
        assert found.keys() == arrays.keys(), place
        assert all((found[name] == array).all() for name, array in arrays.items()), place
    assert len(made) > 1000
