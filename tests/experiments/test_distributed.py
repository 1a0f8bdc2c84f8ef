"""Several processes on one run (gloo, on the CPU): the same numbers as one process, and the same on every one."""

import contextlib
import os
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

import data
import losses
from calibration import bin_stats, equal_mass_edges, top_label
from data.splits.split import share
from experiments.training import checkpoint, distributed
from experiments.training.distributed import World
from experiments.training.errors import Preempted
from experiments.training.evaluate import predict
from experiments.training.job import _load, train
from experiments.training.session import Session
from tests.support.imagenet import OPTIONS, make_imagenet
from tests.support.runs import tiny_run
from tests.support.training import silent

TEXT = ("epochs=2", "model_options.dropout=0", "data_options.train_size=333")


def on_ranks(size, work, tmp_path, *arguments):
    """Call work(world, *arguments) in `size` processes; the results, by rank."""
    results = tmp_path / f"results{size}"
    results.mkdir()
    mp.spawn(_rank, (size, work, str(tmp_path / f"meeting{size}"), results, arguments), nprocs=size)
    return [torch.load(results / f"{rank}.pt", weights_only=True) for rank in range(size)]


def _rank(rank, size, work, meeting, results, arguments):
    torch.set_num_threads(1)
    if size > 1:
        dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
    world = distributed.start("cpu")
    torch.save(work(world, *arguments), results / f"{rank}.pt")
    if dist.is_initialized():  # not where the work itself ended it
        sys.setswitchinterval(30)  # a thread that `stop` leaves behind waits until the interpreter ends, and aborts it
        world.agreed(None)
        distributed.stop()


def threads_left(world):
    world.wrap(nn.Linear(3, 3), torch.device("cpu"))  # keeps the default group, and its idle threads, to the end
    world.any(True)

    def count():
        names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
        return sum(name.startswith("pt_gloo") for name in names)

    before = count()
    distributed.stop()
    return {"before": before, "after": count()}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
def test_no_thread_that_carried_the_last_message_outlives_the_end(tmp_path):
    for found in on_ranks(2, threads_left, tmp_path):
        assert found["after"] < found["before"]


class Points:
    """A split of made-up points, of which `eval_batches` is all that is needed."""

    def __init__(self, count):
        draws = torch.Generator().manual_seed(0)
        self.x, self.labels = torch.randn(count, 6, generator=draws), torch.randint(0, 5, (count,), generator=draws)
        self.device = torch.device("cpu")

    def __len__(self):
        return len(self.x)

    def eval_batches(self, batch_size, part=(0, 1)):
        from data.splits.split import Batch, cut_batches

        for cut in cut_batches(len(self), batch_size)[part[0] :: part[1]]:
            index = torch.arange(cut.start, cut.stop)
            yield Batch(index, self.x[index], self.labels[index])


def validate(world):
    split = Points(10_001)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 5))
    if world.rank:  # statistics of its own, as training without synchronised normalisation leaves them
        model[1].running_mean += world.rank
    loss = losses.AdaFocalLoss()
    logits = predict(model, split, 100, world)
    loss.update(logits, split.labels)
    confidence, correct = top_label(logits, split.labels)
    counts = bin_stats(confidence, correct, equal_mass_edges(confidence, 15)).count
    return {"logits": logits, "gammas": loss.gammas, "edges": loss.edges, "counts": torch.from_numpy(counts)}


def test_10001_validation_samples_on_1_to_4_processes(tmp_path, capsys):
    alone = on_ranks(1, validate, tmp_path)[0]
    assert alone["counts"].sum() == 10_001
    for size in (2, 3, 4):
        for found in on_ranks(size, validate, tmp_path):
            for name, expected in alone.items():
                assert torch.equal(found[name], expected), (size, name)
    with capsys.disabled():
        print(" 10,001 samples on 1, 2, 3, 4 processes: counts, edges and gammas identical", end="")


def test_processes_without_a_batch_get_the_logits_too(tmp_path):
    found = on_ranks(4, few, tmp_path)
    for other in found[1:]:
        assert torch.equal(found[0], other)


def broadcasts(world):
    """The messages of rank 0 to the others in two training steps, and in one prediction."""
    counts, send = [], dist.broadcast

    def counted(*arguments, **options):
        counts[-1] += 1
        return send(*arguments, **options)

    dist.broadcast = counted
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 5))
    wrapped = world.wrap(model, torch.device("cpu"))
    counts.append(0)
    for _ in range(2):
        wrapped(torch.randn(4, 6) + world.rank).sum().backward()
    own = model[1].running_mean.clone()
    counts.append(0)
    predict(model, Points(30), 10, world)
    return {"counts": counts, "own": own, "common": model[1].running_mean.clone()}


def test_buffers_stay_ones_own_until_a_prediction_which_sends_them_together(tmp_path):
    first, second = on_ranks(2, broadcasts, tmp_path)
    assert first["counts"] == second["counts"] == [0, 2]  # of 6 buffers: one message for floats, one for integers
    assert not torch.equal(first["own"], second["own"])
    assert torch.equal(first["common"], first["own"])
    assert torch.equal(second["common"], first["own"])


def normalised_together(world):
    with pytest.raises(ValueError, match="sync_batch_norm with several processes needs GPUs"):
        world.sync_batch_norm(nn.BatchNorm1d(8), torch.device("cpu"))
    return {}


def test_synchronised_normalisation_needs_gpus(tmp_path):
    on_ranks(2, normalised_together, tmp_path)
    assert isinstance(World().sync_batch_norm(nn.BatchNorm1d(8), torch.device("cpu")), nn.SyncBatchNorm)


def few(world):
    torch.manual_seed(0)
    return predict(nn.Linear(6, 5), Points(30), 10, world)


@pytest.mark.parametrize("count", [2, 7, 8, 9, 128])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_shares_cover_a_batch_once_or_are_all_of_it(count, size):
    parts = [list(range(100 + count))[share(slice(100, 100 + count), (rank, size))] for rank in range(size)]
    whole = list(range(100, 100 + count))
    if count < 2 * size:
        assert all(part == whole for part in parts)
    else:
        assert [i for part in parts for i in part] == whole
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert min(map(len, parts)) >= 2


def gradient(world, name, count):
    torch.manual_seed(0)
    model = nn.Linear(6, 5, dtype=torch.float64)
    x, labels = torch.randn(count, 6, dtype=torch.float64), torch.randint(0, 5, (count,))
    loss = losses.build(name, reduction="sum")
    rows = share(slice(0, count), world.part)
    wrapped = world.wrap(model, torch.device("cpu"))
    logits, index, known = world.whole_batch(wrapped(x[rows]), torch.arange(count)[rows], labels[rows], count)
    value = loss(logits, known)
    value.backward()
    return {"loss": value.detach(), "index": index, "gradient": model.weight.grad.clone()}


@pytest.mark.parametrize(("name", "count"), [("adafocal", 11), ("mmce", 8), ("brier", 3)])
def test_the_gradient_is_the_whole_batchs(name, count, tmp_path):
    expected = gradient(World(), name, count)
    for found in on_ranks(2, gradient, tmp_path, name, count):
        assert found["index"].tolist() == list(range(count))
        # float64, of which a sum of some hundred terms loses no more than its last three digits
        torch.testing.assert_close(found["loss"], expected["loss"], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found["gradient"], expected["gradient"], rtol=1e-12, atol=1e-12)


def stopped_by_a_slow_write(world, runs):
    """Is there a checkpoint when a process leaves, which ends the others?"""
    write = checkpoint.save

    def slow(*arguments):
        time.sleep(1)
        write(*arguments)

    checkpoint.save = slow
    with contextlib.suppress(Preempted):
        train(tiny_run("ce"), Session(runs=Path(runs), say=silent, should_stop=lambda: True, world=world))
    return {"written": (tiny_run("ce").folder(runs) / checkpoint.CURRENT).exists()}


def test_no_process_leaves_before_the_checkpoint_is_written(tmp_path):
    for found in on_ranks(2, stopped_by_a_slow_write, tmp_path, str(tmp_path / "runs")):
        assert found["written"]


def goes_on(world, runs):
    """As where a network file system shows the checkpoint to the first process alone."""
    with contextlib.suppress(Preempted):
        if world.writes:
            train(tiny_run("ce"), Session(runs=Path(runs) / "0", say=silent, should_stop=lambda: True))
    try:
        train(tiny_run("ce"), Session(runs=Path(runs) / str(world.rank), say=silent, world=world))
    except ValueError as error:
        return {"said": str(error)}


def test_processes_that_read_different_checkpoints_say_so(tmp_path):
    for found in on_ranks(2, goes_on, tmp_path, str(tmp_path)):
        assert "process 0: epoch 0, step 1, process 1: none" in found["said"]


def loads(world, dataset, root, options):
    """How often this process reads a dataset that all want, and what it gets."""
    calls = []

    def load():
        calls.append(dataset)
        return data.load(dataset, root, **options)

    splits = _load(world, load)
    stat = Path.stat
    Path.stat = None  # what the fingerprint of photographs asks of every file
    fingerprints = [split.fingerprint for split in splits]
    Path.stat = stat
    return {"calls": len(calls), "data": fingerprints, "batch": next(splits.val.eval_batches(2)).inputs}


@pytest.mark.parametrize(("dataset", "options", "others"), [("imagenet", OPTIONS, 0), ("digits", {}, 1)])
def test_one_process_lists_the_files_of_photographs(dataset, options, others, tmp_path):
    make_imagenet(tmp_path)
    first, second = on_ranks(2, loads, tmp_path, dataset, str(tmp_path), options)
    assert (first["calls"], second["calls"]) == (1, others)
    assert first["data"] == second["data"]
    assert torch.equal(first["batch"], second["batch"])


def test_more_processes_than_gpus_are_refused(monkeypatch):
    for name, value in {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "4", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match=r"torchrun started 4 processes.* torch sees 1 GPUs"):
        distributed.start("cuda")
    with pytest.raises(ValueError, match="--device cuda:1: torchrun gives every process a GPU of its own"):
        distributed.start("cuda:1")
