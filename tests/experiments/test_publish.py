"""Publishing records: what is copied, and what is refused."""

import json
import shutil
import tarfile

import pytest

from experiments import records
from experiments.publish import main
from experiments.records import files, provenance
from experiments.records.dataframe import frame
from experiments.train import train
from experiments.training import checkpoint, ood
from experiments.training.session import Session
from tests.support.records import edit
from tests.support.runs import tiny_run

RUN = tiny_run("adafocal")
EARLIER = {"git_commit": "1+changes", "device": "an abacus"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    train(RUN, Session(runs=folder, say=lambda text: None))
    environment = {"git_commit": "0" * 40, "command": ["train.py", "--runs", "runs"]}
    edit(RUN.folder(folder) / records.CONFIG, lambda c: c["environment"].update(environment))
    return folder


@pytest.fixture
def runs(made, tmp_path):
    shutil.copytree(made, tmp_path / "runs")
    return tmp_path / "runs"


def test_a_record_is_copied_whole_without_its_checkpoint(runs, tmp_path, capsys):
    into = tmp_path / "published"
    assert main([str(runs), "--into", str(into)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(RUN.folder(into)),
        f"{into}: records published: 1, there already: 0",
    ]
    assert {path.name for path in RUN.folder(into).iterdir()} == set(records.FILES)
    assert (RUN.folder(runs) / checkpoint.CURRENT).exists()
    for name in records.FILES:
        assert (RUN.folder(into) / name).read_bytes() == (RUN.folder(runs) / name).read_bytes()
    assert records.read(RUN.folder(into), RUN).predictions
    assert main([str(runs / RUN.scale), "--into", str(into)]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{into}: records published: 0, there already: 1"]


def test_folders_of_one_machine_are_not_published(runs, tmp_path):
    config, into = RUN.folder(runs) / records.CONFIG, tmp_path / "published"
    before = json.loads(config.read_text())
    edit(config, lambda c: c["environment"].update(command=["train.py", "--runs", "/home/me/runs"]))
    assert main([str(runs), "--into", str(into)]) == 0
    assert json.loads((RUN.folder(into) / records.CONFIG).read_text()) == before


def test_a_tar_of_records_is_taken_as_their_folder(runs, tmp_path, capsys):
    with tarfile.open(tmp_path / "records.tar", "w") as tar:
        tar.add(runs, arcname=".")
    into = tmp_path / "published"
    assert main([str(tmp_path / "records.tar"), "--into", str(into)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(RUN.folder(into)),
        f"{into}: records published: 1, there already: 0",
    ]
    for name in records.FILES:
        assert (RUN.folder(into) / name).read_bytes() == (RUN.folder(runs) / name).read_bytes()


def test_a_damaged_tar_is_refused(tmp_path, capsys):
    (tmp_path / "records.tar").write_bytes(b"no tar")
    assert main([str(tmp_path / "records.tar"), "--into", str(tmp_path / "published")]) == 2
    assert capsys.readouterr().err.startswith(f"error: cannot read {tmp_path / 'records.tar'}")
    assert not (tmp_path / "published").exists()


@pytest.mark.parametrize("has_git", [False, True])  # an older one, perhaps
def test_a_copy_says_the_commit_it_was_told(has_git, tmp_path, monkeypatch):
    if not has_git:
        monkeypatch.setattr(provenance, "ROOT", tmp_path)
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        assert provenance.git_commit() is None
    monkeypatch.setenv("ADAFOCAL_COMMIT", "0" * 40)
    assert provenance.git_commit() == "0" * 40


@pytest.mark.parametrize(
    ("option", "left_out"),
    [
        ("bins predictions", {records.BINS, records.PREDICTIONS}),
        ("predictions", {records.PREDICTIONS}),
        ("bins", {records.BINS}),
    ],
)
def test_what_an_option_leaves_out(option, left_out, runs, tmp_path):
    assert main([str(runs), "--into", str(tmp_path / "published"), "--without", *option.split()]) == 0
    kept = {path.name for path in RUN.folder(tmp_path / "published").iterdir()}
    assert kept == set(records.FILES) - left_out


def break_predictions(folder):
    content = bytearray((folder / records.PREDICTIONS).read_bytes())
    content[100] ^= 1
    (folder / records.PREDICTIONS).write_bytes(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: edit(f / "config.json", lambda c: c["environment"].update(git_commit="0" * 40 + "+changes")),
         "no commit holds"),
        (lambda f: edit(f / "config.json", lambda c: c["environment"].update(git_commit=None)), "no commit holds"),
        (lambda f: edit(f / "config.json", lambda c: c.update(earlier_environments=[EARLIER])), "no commit holds"),
        (lambda f: edit(f / "config.json", lambda c: c["recipe"].update(lr=9)), "another recipe"),
        (lambda f: edit(f / "config.json", lambda c: c.pop("recipe")), "damaged record: KeyError"),
        (lambda f: edit(f / "config.json", lambda c: c.update(run="demo/digits/resnet8/ce/seed0")), "holds the record"),
        (lambda f: (f / "history.csv").write_text("epoch\n1\n"), r"history.csv is damaged"),
        (lambda f: (f / "bins.csv").unlink(), r"bins.csv is missing"),
        (break_predictions, r"predictions.npz is missing or damaged"),
        (lambda f: (f / "result.json").unlink(), "holds no finished run"),
        (lambda f: f.rename(f.with_name("seed1")), "holds the record"),
    ],
)  # fmt: skip
def test_what_no_reader_could_trust_is_refused_and_nothing_copied(runs, tmp_path, capsys, change, message):
    train(tiny_run("ce"), Session(runs=runs, say=lambda text: None))  # sound, but not published alone
    sound = tiny_run("ce").folder(runs)
    edit(sound / records.CONFIG, lambda c: c["environment"].update(git_commit="0" * 40))
    change(RUN.folder(runs))
    if message == "holds no finished run":
        shutil.rmtree(sound)
    assert main([str(runs), "--into", str(tmp_path / "published")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "published").exists()


def test_another_record_of_the_same_run_is_not_overwritten(runs, tmp_path, capsys):
    into = tmp_path / "published"
    assert main([str(runs), "--into", str(into)]) == 0
    edit(RUN.folder(into) / records.RESULT, lambda r: r.update(seconds=1.0))
    before = files.sha256((RUN.folder(into) / records.RESULT).read_bytes())
    assert main([str(runs), "--into", str(into)]) == 2
    assert "another record of the run" in capsys.readouterr().err
    assert files.sha256((RUN.folder(into) / records.RESULT).read_bytes()) == before


def test_scores_that_a_record_got_after_it_was_published_are_added(runs, tmp_path, capsys):
    into = tmp_path / "published"
    assert main([str(runs), "--into", str(into)]) == 0
    folder = RUN.folder(runs)
    for number in (1, 2):
        record = records.read(folder, RUN)
        ood._store(record, {f"noise{number}": record.predictions["test_logits"]}, {f"noise{number}": {"auroc": 0.5}})
        assert main([str(runs), "--into", str(into)]) == 0
        assert f"{into}: records published: 1, there already: 0" in capsys.readouterr().out
    for name in records.FILES:
        assert (RUN.folder(into) / name).read_bytes() == (folder / name).read_bytes()
    edit(folder / records.RESULT, lambda r: r["ood"].pop("noise1"))  # published ones do not vanish
    assert main([str(runs), "--into", str(into)]) == 2


def test_a_folder_that_is_not_there_is_refused(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err == f"error: there is no {tmp_path / 'nowhere'}: give a folder or a tar of records\n"


def test_two_records_of_one_run_are_refused(runs, tmp_path, capsys):
    shutil.copytree(runs, runs / "again")
    edit(RUN.folder(runs / "again") / records.RESULT, lambda r: r.update(seconds=1.0))
    assert main([str(runs), "--into", str(tmp_path / "published")]) == 2
    assert "another record of the run" in capsys.readouterr().err
    assert not (tmp_path / "published").exists()


def test_what_was_left_out_can_be_added(runs, tmp_path, capsys):
    into = tmp_path / "published"
    assert main([str(runs), "--into", str(into), "--without", "bins", "predictions"]) == 0
    assert main([str(runs), "--into", str(into)]) == 0
    assert f"{into}: records published: 1, there already: 0" in capsys.readouterr().out
    assert {path.name for path in RUN.folder(into).iterdir()} == set(records.FILES)


def test_a_run_with_more_overrides_than_a_name_can_hold(tmp_path):
    many = ("loss_options.num_bins=12", "loss_options.gamma_max=19", "loss_options.gamma_min=-1.9", "lr=0.04")
    run = tiny_run("adafocal", 0, *many)
    assert "overrides-" in str(run)
    train(run, Session(runs=tmp_path / "runs", say=lambda text: None))
    edit(run.folder(tmp_path / "runs") / records.CONFIG, lambda c: c["environment"].update(git_commit="0" * 40))
    assert main([str(tmp_path / "runs"), "--into", str(tmp_path / "published")]) == 0
    assert records.read(run.folder(tmp_path / "published"), run)
    assert frame(tmp_path / "published")["overrides"].item() == "+".join(run.overrides)
