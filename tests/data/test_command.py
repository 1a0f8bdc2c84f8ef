"""`load`'s arguments and the command line."""

import os
import subprocess
import sys
import warnings

import pytest

from data import DATASETS, Splits, load, options_of
from data.__main__ import main
from data.files.terminal import ROOT, warn_in_a_line


def test_every_dataset_has_options_with_defaults():
    for name in DATASETS:
        options = options_of(name)
        assert options
        assert not {"root", "seed", "download", "name"} & set(options)


def test_unknown_dataset_and_option():
    with pytest.raises(ValueError, match=r"unknown dataset 'mnist'; choose from digits, cifar10, .*imagenet"):
        load("mnist")
    with pytest.raises(ValueError, match="dataset 'cifar10' has no option 'val'; it has train_size, val_size, "):
        load("cifar10", val=3)
    with pytest.raises(ValueError, match="seed must be >= 0, got -1"):
        load("digits", seed=-1)


def test_splits_unpack():
    train, _, test = splits = load("digits")
    assert isinstance(splits, Splits)
    assert train is splits.train
    assert test is splits.test


def test_command_prints_a_line_a_split(capsys):
    assert main(["digits"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["train", "val", "test"]
    assert "400 images 1x8x8, 10 classes of 39 to 41, fingerprint " in lines[0]
    assert lines[0].endswith(load("digits").train.fingerprint)


def test_command_says_no_in_one_line(tmp_path, capsys):
    for name, reason in (("cifar10", "no cifar10 in"), ("mnist", "unknown name 'mnist'; choose from digits, ")):
        assert main([name, "--data-root", str(tmp_path), "--no-download"]) == 2
        output = capsys.readouterr()
        assert output.out == ""
        assert output.err.startswith(f"python -m data: {reason}")
        assert output.err.count("\n") == 1


def test_command_on_a_cut_of_the_data(cifar_root, capsys):
    assert main(["cifar10", "--data-root", str(cifar_root)]) == 2
    assert "val_size must be at least 1 and below the 30 samples" in capsys.readouterr().err


def test_out_of_distribution_sets(tmp_path, capsys):
    assert main(["photos"]) == 0
    assert capsys.readouterr().out.startswith(
        "photos: 1,000 images 1x8x8 (patches of scikit-learn's sample photographs"
    )
    assert main(["svhn", "--data-root", str(tmp_path), "--no-download"]) == 2
    assert "no svhn in" in capsys.readouterr().err


def test_help_as_a_process():
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(
        [sys.executable, "-m", "data", "--help"], capture_output=True, text=True, env=environment, check=True
    )
    assert "--data-root DIR" in done.stdout
    assert "tiny-imagenet" in done.stdout


def test_a_warning_is_a_line_without_its_place_in_the_code(cifar_root):
    command = [sys.executable, "-m", "data", "cifar10", "--no-download", "--data-root", str(cifar_root)]
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stderr.splitlines()
    assert said[0] == f"warning: {cifar_root} holds 30 training images, CIFAR-10 has 50,000: an excerpt?"
    assert said[-1].startswith("python -m data: val_size must be")
    assert not [line for line in said if "warnings.warn" in line]


def test_a_warning_of_a_package_keeps_its_place(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # put back afterwards
    warn_in_a_line()
    assert warnings.formatwarning("old", UserWarning, "/usr/lib/other.py", 3, "x()").startswith("/usr/lib/other.py:3")
