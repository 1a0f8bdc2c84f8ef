"""Malformed input is refused in one line that names what is wrong, and never scored or trained on."""

import re

import numpy as np
import pandas as pd
import pytest
import torch

import data
import losses
import models
import posthoc
from calibration import (
    bin_stats,
    bootstrap,
    brier_score,
    classwise_ece,
    ece_debias,
    ece_em,
    ece_ew,
    ece_sweep,
    equal_mass_edges,
    equal_width_edges,
    mce,
    nll,
    reliability_diagram,
    summary,
    top_label,
)
from data.__main__ import main as data_main
from experiments import audit, ood, run, train
from experiments.grid import Run
from tests.support.runs import tiny_run

Z = np.random.default_rng(0).standard_normal((30, 4))
Y = np.arange(30) % 4
P = np.full((3, 4), 0.25)
C, RIGHT = np.linspace(0.2, 0.9, 30), Y == 0


def changed(values, where, value):
    values = np.array(values, dtype=float)
    values[where] = value
    return values


def loss(name="ce", logits=Z, targets=Y, **options):
    return losses.build(name, **options)(torch.as_tensor(logits), torch.as_tensor(targets))


def updated(logits=Z, targets=Y):
    return losses.build("adafocal").update(torch.as_tensor(logits), torch.as_tensor(targets))


def fitted(name="ts", logits=Z, labels=Y, **options):
    return posthoc.build(name, **options).fit(logits, labels)


# (what is called, what the line must say)
CALLS = {
    # scores
    "NaN logits": (lambda: summary(changed(Z, (7, 1), np.nan), Y), "logits must be finite.*row 7"),
    "infinite logits": (lambda: nll(changed(Z, (3, 0), np.inf), Y), "logits must be finite.*row 3"),
    "minus infinite logits": (lambda: brier_score(changed(Z, 3, -np.inf), Y), "logits must be finite.*row 3"),
    "NaN probabilities": (lambda: nll(changed(P, (0, 0), np.nan), [0, 1, 2], from_logits=False), "finite"),
    "negative probabilities": (
        lambda: nll(changed(P, (0, slice(2)), [-0.5, 1.0]), [0, 1, 2], from_logits=False),
        "probabilities must be >= 0",
    ),
    "probabilities that do not sum to 1": (lambda: nll(2 * P, [0, 1, 2], from_logits=False), "sum to 1"),
    "logits passed as probabilities": (lambda: summary(Z, Y, from_logits=False), "probabilities must be >= 0"),
    "logits passed as confidence": (lambda: ece_ew(Z[:, 0], RIGHT), r"confidence must lie in \[0, 1\]"),
    "NaN confidence": (lambda: ece_em(changed(C, 0, np.nan), RIGHT), r"confidence must lie in \[0, 1\]"),
    "confidence above 1": (lambda: mce(C + 0.5, RIGHT), r"confidence must lie in \[0, 1\]"),
    "confidence in columns": (lambda: ece_debias(C[:, None], RIGHT), r"confidence and correct must both be \[N\]"),
    "complex confidence": (lambda: ece_em(C + 1j, RIGHT), "confidence must be real numbers, got complex128"),
    "confidence of objects": (lambda: ece_em(C.astype(object), RIGHT), "confidence must be real numbers, got object"),
    "logits of objects": (lambda: summary(Z.astype(object), Y), "logits must be numbers of a type .* got object"),
    "labels of texts": (lambda: summary(Z, Y.astype(str)), "labels must be numbers of a type"),
    "no logits": (lambda: summary(None, Y), "logits must be numbers"),
    "no samples": (lambda: ece_em([], []), "confidence is empty"),
    "no rows": (lambda: summary(Z[:0], Y[:0]), "N >= 1"),
    "no classes": (lambda: summary(Z[:, :0], Y), "K >= 1"),
    "flat logits": (lambda: summary(Z[:, 0], Y), r"logits must be \[N, K\]"),
    "integer logits": (lambda: summary(Z.astype(int), Y), "logits must be floating point"),
    "labels that are too large": (lambda: summary(Z, Y + 1), r"labels must lie in \[0, 4\)"),
    "negative labels": (lambda: top_label(Z, Y - 1), r"labels must lie in \[0, 4\)"),
    "labels as fractions": (lambda: classwise_ece(Z, Y / 2), "labels must be integers"),
    "labels of two axes": (lambda: summary(Z, np.stack([Y, Y], 1)), r"labels must be \[N\]"),
    "labels of another number": (lambda: summary(Z, Y[:-1]), r"labels must be \[N\] = \[30\]"),
    "labels as bool": (lambda: summary(Z, Y > 0), "labels must be integers"),
    "correctness of another number": (lambda: ece_em(C, RIGHT[:-1]), "confidence and correct must both"),
    "correctness of fractions": (lambda: ece_ew(C, C), "correct must hold only"),
    "no bins": (lambda: ece_em(C, RIGHT, num_bins=0), "num_bins must be an integer >= 1, got 0"),
    "negative bins": (lambda: ece_ew(C, RIGHT, num_bins=-3), "num_bins must be an integer >= 1, got -3"),
    "half a bin": (lambda: equal_width_edges(2.5), "num_bins must be an integer >= 1, got 2.5"),
    "a flag for bins": (lambda: equal_mass_edges(C, True), "num_bins must be an integer"),
    "edges that descend": (lambda: bin_stats(C, RIGHT, [1, 0.5, 0]), "edges must be"),
    "one edge": (lambda: bin_stats(C, RIGHT, [0.5]), "edges must be"),
    "an unknown binning": (lambda: ece_sweep(C, RIGHT, binning="mass"), "binning must be"),
    "a diagram of an unknown binning": (lambda: reliability_diagram(C, RIGHT, binning="x"), "binning must be"),
    "a level of 0": (lambda: bootstrap(Z, Y, level=0.0), r"level must lie in \(0, 1\)"),
    "no resamples": (lambda: bootstrap(Z, Y, num_resamples=0), "num_resamples must be an integer >= 1"),
    # losses
    "an unknown loss": (lambda: loss("focal"), "unknown loss 'focal': choose from ce"),
    "an unknown option of a loss": (lambda: loss("adafocal", lamda=1), "loss 'adafocal' has no option 'lamda'"),
    "an unknown reduction": (lambda: loss(reduction="average"), "reduction must be one of"),
    "labels beyond the classes": (lambda: loss(targets=Y + 1), r"targets must lie in \[0, 4\)"),
    "the label -100": (lambda: loss("adafocal", targets=Y * 0 - 100), r"targets must lie in \[0, 4\)"),
    "targets as fractions": (lambda: loss("brier", targets=Y / 2), "targets must be integer"),
    "targets of another number": (lambda: loss("mmce", targets=Y[:-1]), r"need logits \[N, K\] and targets \[N\]"),
    "integer logits in a loss": (lambda: loss("fl3", Z.astype(int)), "logits must be floating point"),
    "logits of an image": (lambda: loss("flsd53", Z[:, :, None]), r"need logits \[N, K\]"),
    "a negative gamma": (lambda: loss("fl3", gamma=-1.0), "gamma must be finite and >= 0, got -1"),
    "a NaN gamma": (lambda: loss("fl3", gamma=float("nan")), "gamma must be finite"),
    "too much smoothing": (lambda: loss("ls", label_smoothing=1.5), "label_smoothing must lie in"),
    "an unknown form of MMCE": (lambda: loss("mmce", form="paper"), 'form must be "code"'),
    "MMCE by sample": (lambda: loss("mmce", reduction="none"), "reduction must be"),
    "a kernel of no width": (lambda: loss("mmce", kernel_width=0), "kernel_width must be > 0"),
    "an unknown mode of CalFocal": (lambda: loss("calfocal", mode="x"), "mode must be"),
    "a negative lambda": (lambda: loss("adafocal", lam=-1.0), "lam must be finite and >= 0"),
    "AdaFocal without bins": (lambda: loss("adafocal", num_bins=0), "num_bins must be an integer >= 1"),
    "a switch at 0": (lambda: loss("adafocal", switch_threshold=0.0), "switch_threshold must be"),
    "gamma_max below the switch": (lambda: loss("adafocal", gamma_max=0.1), "gamma_max must be >= switch"),
    "a positive gamma_min": (lambda: loss("adafocal", gamma_min=1.0), r"gamma_min must lie in \[-100, -switch_thre"),
    "a gamma_min that overflows": (lambda: loss("adafocal", gamma_min=-101.0), "gamma_min must lie in"),
    "an inverse gamma that overflows": (lambda: loss("invfl", gamma=101.0), "gamma must be <= 100"),
    "gamma_init in the gap": (lambda: loss("adafocal", gamma_init=0.1), "gamma_init must lie in"),
    "an empty validation set": (lambda: updated(Z[:0], Y[:0]), "N >= 1"),
    "NaN in the validation set": (lambda: updated(changed(Z, (0, 0), np.nan)), "logits must be finite"),
    "labels beyond the classes in it": (lambda: updated(targets=Y + 1), r"labels must lie in \[0, 4\)"),
    # calibrators
    "an unknown calibrator": (lambda: fitted("platt"), "unknown calibrator 'platt': choose from ts"),
    "an unknown option of one": (lambda: fitted("ts", bins=3), "calibrator 'ts': .*bins"),
    "temperatures below 0": (lambda: fitted("ts", grid=[-1.0, 1.0]), "grid must hold temperatures > 0"),
    "two knots": (lambda: fitted("spline", num_knots=2), "num_knots must be an integer >= 3"),
    "a negative penalty": (lambda: fitted("vector", l2=-1.0), "l2 must be finite and >= 0"),
    "other classes than fitted": (lambda: fitted("vector").predict_proba(Z[:, :1]), "fitted to 4 classes, got .* of 1"),
    **{f"{n} of NaN": (lambda n=n: fitted(n, changed(Z, 3, np.nan)), "finite") for n in posthoc.CALIBRATORS},
    **{f"{n} without samples": (lambda n=n: fitted(n, Z[:0], Y[:0]), "N >= 1") for n in posthoc.CALIBRATORS},
    **{f"{n} before fit": (lambda n=n: posthoc.build(n).predict_proba(Z), "not fitted") for n in posthoc.CALIBRATORS},
    # data and models
    "an unknown dataset": (lambda: data.load("mnist"), "unknown dataset 'mnist'; choose from digits"),
    "an unknown option of a dataset": (lambda: data.load("digits", noize=1), "dataset 'digits' has no option"),
    "a negative seed": (lambda: data.load("digits", seed=-1), "seed must be >= 0, got -1"),
    "a vocabulary without topics": (lambda: data.load("topics", vocab_size=169), "vocab_size must be >= 170, got 169"),
    "an empty validation split": (lambda: data.load("digits", val_size=0), "val_size must be at least 1"),
    "too much held out": (lambda: data.load("digits", val_size=5000), "val_size must be at least 1 and below"),
    "negative noise": (lambda: data.load("digits", noise=-0.1), "noise must be >= 0"),
    "no draws": (lambda: data.load("digits", val_draws=0), "val_draws must be >= 1"),
    "no test documents": (lambda: data.load("topics", test_size=0), "test_size must be >= 1"),
    "lengths the wrong way": (lambda: data.load("topics", min_tokens=9, max_tokens=3), "min_tokens <= max_tokens"),
    "no files": (lambda: data.load("cifar10", root="/nonexistent"), "no cifar10 in /nonexistent: looked for"),
    "an unknown model": (lambda: models.build("vgg", "cifar10"), "unknown model 'vgg'; choose from"),
    "a model of texts for images": (lambda: models.build("cnn", "cifar10"), "model 'cnn' has no form for 'cifar10'"),
    "an option of another model": (lambda: models.build("resnet8", "digits", depth=3), "has no option 'depth'"),
    "no classes for a model": (lambda: models.build("resnet8", "digits", 0), "num_classes must be >= 1"),
    "images of an unknown set": (lambda: data.check_ood("nowhere", "cifar10"), "nowhere"),
    "batches of none": (
        lambda: next(iter(data.load("digits").train.train_batches(0, seed=0, epoch=0))),
        "batch_size must be >= 1",
    ),
    # runs
    "an unknown method": (lambda: Run.make("demo", "digits", "resnet8", "focal"), "unknown method 'focal'"),
    "a folder as a value": (lambda: tiny_run("ce", 0, "optimizer=../x"), "optimizer"),
}

NAMES = ("--dataset", "digits", "--model", "resnet8", "--method", "ce", "--scale", "demo")
# (main, arguments, what the line must say); {tmp} is a folder with the files of `written`
COMMANDS = {
    "train: no dataset": (train.main, ("--model", "resnet8", "--method", "ce"), "required: --dataset"),
    "train: an unknown flag": (train.main, (*NAMES, "--epochs", "3"), "unrecognized arguments: --epochs"),
    "train: a word for a seed": (train.main, (*NAMES, "--seed", "one"), "--seed: invalid int value: 'one'"),
    "train: a negative seed": (train.main, (*NAMES, "--seed", "-1"), "seed must be >= 0, got -1"),
    "train: an unknown device": (train.main, (*NAMES, "--device", "tpu"), "--device must be cpu, cuda or cuda:N"),
    "train: words for seconds": (train.main, (*NAMES, "--checkpoint-seconds", "x"), "--checkpoint-seconds: invalid"),
    "train: an override without =": (train.main, (*NAMES, "--set", "epochs"), "need KEY=VALUE"),
    "train: a word for a number": (train.main, (*NAMES, "--set", "epochs=many"), "epochs needs a value like"),
    "train: an unknown scheduler": (train.main, (*NAMES, "--set", "schedule=cosine"), "schedule"),
    "train: an unknown optimizer": (train.main, (*NAMES, "--set", "optimizer=lion"), "optimizer"),
    "train: no epochs": (train.main, (*NAMES, "--set", "epochs=0"), "epochs"),
    "train: a batch of none": (train.main, (*NAMES, "--set", "batch_size=0"), "batch_size"),
    "train: a negative lr": (train.main, (*NAMES, "--set", "lr=-1"), "lr"),
    "train: a NaN lr": (train.main, (*NAMES, "--set", "lr=nan"), "lr"),
    "train: bins of 0": (train.main, (*NAMES, "--set", "num_bins=0"), "num_bins"),
    "train: a word for an option": (train.main, (*NAMES, "--set", "data_options.noise=much"), "noise"),
    "train: an encoder that is nowhere": (train.main, (*NAMES, "--pretrained", "{tmp}/none"), "pretrained"),
    "train: runs in a file": (train.main, (*NAMES, "--runs", "{tmp}/file"), "file"),
    "run: an unknown table": (run.main, ("--for", "table99"), "unknown table or figure 'table99'"),
    "run: an unknown scale": (run.main, ("--scale", "huge"), "unknown scale 'huge'"),
    "run: no workers": (run.main, ("--workers", "0"), "--workers must be >= 1"),
    "run: a seed of no run": (run.main, ("--seed", "99"), "--seed 99 is no part of it"),
    "ood: no run": (ood.main, ("--dataset", "digits"), "no --model"),
    "ood: a table and a run": (ood.main, ("--for", "table8", "--seed", "1"), "leave --seed out"),
    "ood: a run that is not there": (ood.main, (*NAMES, "--runs", "{tmp}"), "no finished run"),
    "ood: an unknown set": (ood.main, (*NAMES, "--runs", "{tmp}", "--ood", "moon"), "moon"),
    "audit: no file": (audit.main, ("{tmp}/none.npz",), "cannot read .*none.npz"),
    "audit: an empty folder": (audit.main, ("{tmp}/folder",), "there are no predictions in this folder"),
    "audit: no archive": (audit.main, ("{tmp}/file",), "file"),
    "audit: an empty file": (audit.main, ("{tmp}/empty.npz",), r"empty\.npz"),
    "audit: a truncated file": (audit.main, ("{tmp}/cut.npz",), r"cut\.npz"),
    "audit: --val with two": (
        audit.main,
        ("{tmp}/good.npz", "{tmp}/cut.npz", "--val", "{tmp}/good.npz"),
        "--val goes with one",
    ),
    "audit: over its input": (audit.main, ("{tmp}/good.npz", "--out", "{tmp}/good.npz"), "would overwrite"),
    "audit: no single column": (audit.main, ("{tmp}/good.npz", "--binary"), r"good\.npz: .*one column of logits"),
    "audit: a single array": (audit.main, ("{tmp}/array.npy",), "got a single array"),
    "audit: NaN": (audit.main, ("{tmp}/nan.npz",), r"nan\.npz: logits must be finite.*row 7"),
    "audit: labels beyond": (audit.main, ("{tmp}/labels.npz",), r"labels\.npz: labels must lie in"),
    "audit: other names": (audit.main, ("{tmp}/names.npz",), r"names\.npz: no array 'logits'"),
    "audit: logits as probabilities": (audit.main, ("{tmp}/good.npz", "--probabilities"), "probabilities"),
    "audit: no bins": (audit.main, ("{tmp}/good.npz", "--num-bins", "0"), "num_bins must be an integer >= 1"),
    "audit: no resamples": (audit.main, ("{tmp}/good.npz", "--resamples", "0"), "num_resamples must be an integer"),
    "audit: a negative seed": (audit.main, ("{tmp}/good.npz", "--seed", "-1"), "seed|non-negative"),
    "audit: a page in no folder": (audit.main, ("{tmp}/good.npz", "--out", "{tmp}/no/page.html"), "page|no/"),
    "audit: an empty table": (audit.main, ("{tmp}/empty.csv",), r"empty\.csv"),
    "audit: a table without labels": (audit.main, ("{tmp}/nolabel.csv",), "no column 'label'"),
    "audit: a table of words": (audit.main, ("{tmp}/words.csv",), "column 'b' is not of numbers"),
    "audit: a table with a gap": (audit.main, ("{tmp}/gap.csv",), r"gap\.csv: logits must be finite"),
    "data: an unknown dataset": (data_main, ("mnist",), "unknown name 'mnist'"),
    "data: nothing there": (data_main, ("cifar10", "--no-download", "--data-root", "{tmp}"), "no cifar10 in"),
    "data: a negative seed": (data_main, ("digits", "--seed", "-1"), "seed must be >= 0"),
}


@pytest.fixture
def written(tmp_path):
    """A folder with one good file of predictions and many bad ones."""
    np.savez(tmp_path / "good.npz", logits=Z, labels=Y)
    np.savez(tmp_path / "nan.npz", logits=changed(Z, (7, 0), np.nan), labels=Y)
    np.savez(tmp_path / "labels.npz", logits=Z, labels=Y + 1)
    np.savez(tmp_path / "names.npz", outputs=Z, targets=Y)
    np.save(tmp_path / "array.npy", Z)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:300])
    (tmp_path / "file").write_text("a file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "nolabel.csv").write_text("a,b\n1,2\n")
    (tmp_path / "words.csv").write_text("a,b,label\n1,x,0\n")
    pd.DataFrame({"a": [1.0, np.nan], "b": [0.0, 1.0], "label": [0, 1]}).to_csv(tmp_path / "gap.csv", index=False)
    return tmp_path


@pytest.mark.parametrize("case", CALLS)
def test_calls(case):
    call, expected = CALLS[case]
    with pytest.raises(ValueError, match=expected) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", list(COMMANDS))
def test_commands(case, written, capsys, monkeypatch):
    main, arguments, expected = COMMANDS[case]
    monkeypatch.chdir(written)  # for whatever a command writes where it runs
    before = {path: path.stat().st_size for path in written.rglob("*")}
    try:
        status = main([argument.replace("{tmp}", str(written)) for argument in arguments])
    except SystemExit as error:  # of argparse
        status = error.code
    captured = capsys.readouterr()
    assert status == 2, captured
    *usage, line = captured.err.strip().splitlines()
    assert not usage or usage[0].startswith("usage: ")
    assert "error: " in line or line.startswith("python -m")
    assert re.search(expected, line), line
    assert "Traceback" not in captured.out + captured.err
    assert {path: path.stat().st_size for path in written.rglob("*")} == before, "something was left behind"


def test_there_are_enough_cases():
    refusals = len(COMMANDS)
    print(f"{len(CALLS)} calls and {refusals} of {len(COMMANDS)} command lines refused in one line")
    assert len(CALLS) + len(COMMANDS) >= 60
