"""Training: images per second against the bare loop and against a DataLoader, and where an epoch's time goes."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.autograd import DeviceType
from torch.utils.data import DataLoader, Dataset

import data
from data import Splits
from data.splits.arrays import ArraySplit
from experiments.bench.timing import Row, best_of, side_by_side
from experiments.grid import Run
from experiments.training import checkpoint
from experiments.training.epoch import bin_rows, epoch_scores
from experiments.training.loop import Training
from experiments.training.model import build_model
from experiments.training.optimizer import build_optimizer
from experiments.training.precision import choose, to_cpu
from experiments.training.session import Session

FACTS = data.FACTS["cifar10"]
CIFAR_NETS = ("resnet50", "resnet110", "wrn26-10", "densenet121")
ROOFLINE = dict(zip(CIFAR_NETS, (38_100, 22_500, 19_900, 31_200), strict=True))  # images/s of an H200 in bf16


def random_images(count: int, augmented: bool) -> ArraySplit:
    """CIFAR-shaped noise."""
    draws = torch.Generator().manual_seed(count)
    images = torch.randint(0, 256, (count, 3, 32, 32), generator=draws, dtype=torch.uint8)
    labels = torch.randint(0, 10, (count,), generator=draws)
    options = {"crop_padding": 4, "flip": True} if augmented else {}
    return ArraySplit(images, labels, tuple("abcdefghij"), FACTS.mean, FACTS.std, **options)


def splits(count: int) -> Splits:
    """Splits in CIFAR's proportions: 45 to 5 to 10."""
    return Splits(
        random_images(count, augmented=True),
        random_images(max(count // 9, 16), augmented=False),
        random_images(max(count * 2 // 9, 32), augmented=False),
    )


class Pictures(Dataset):
    """The images as a DataLoader usually gets them: one by one, through torchvision's transforms."""

    def __init__(self, split: ArraySplit):
        from torchvision import transforms

        self.images, self.labels = split.images.permute(0, 2, 3, 1).numpy(), split.labels
        crop, flip = transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()
        self.transform = transforms.Compose(
            [crop, flip, transforms.ToTensor(), transforms.Normalize(FACTS.mean, FACTS.std)]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int):
        return self.transform(Image.fromarray(self.images[i])), self.labels[i]


def bare_loop(training: Training, batches: int, batch_size: int) -> Callable[[], None]:
    """Forward, cross entropy, backward and SGD of the same net on resident random data, and nothing else."""
    model = build_model(training.recipe, training.train).to(training.device)
    model = training.speed.layout(model)
    optimizer, stepped = build_optimizer(training.recipe, model), training.speed.compile(model)
    inputs = training.speed.inputs(torch.randn(batch_size, 3, 32, 32, device=training.device))
    labels = torch.randint(0, 10, (batch_size,), device=training.device)

    def loop() -> None:
        for _ in range(batches):
            with training.speed.autocast():
                logits = stepped(inputs)
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits.float(), labels, reduction="sum").backward()
            nn.utils.clip_grad_norm_(model.parameters(), training.recipe.clip_norm)
            optimizer.step()

    return loop


def training_of(model: str, count: int, method: str, device: torch.device, folder: Path, *settings: str) -> Training:
    """A run of `model` on CIFAR-shaped noise that is ready to train."""
    run = Run.make("quick", "cifar10", model, method, 0, settings)
    return Training(run, splits(count), folder, Session(device=device, say=lambda text: None))


def steps_of(training: Training) -> Callable[[], None]:
    """The steps of one epoch as `Training` takes them, without what comes after them."""

    def loop() -> None:
        training.part = None
        training.take_steps()

    return loop


def rows(device: torch.device) -> Iterator[Row]:
    """On the CPU with ResNet-8; on a GPU with ResNet-50, and seconds an epoch of the four CIFAR nets."""
    cuda = device.type == "cuda"
    model, count, name = ("resnet50", 12_800, "ResNet-50") if cuda else ("resnet8", 640, "ResNet-8")
    group = f"training, {name} on {count:,} images of 32 x 32, batch 128"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        training, plain = (training_of(model, count, method, device, folder) for method in ("adafocal", "ce"))
        steps = steps_of(training)
        bare = bare_loop(training, len(training.batch_sizes), 128)
        ours, floor = side_by_side(steps, bare, rounds=15)
        yield Row(group, f"the training loop ({count / ours:,.0f} images/s)", ours, "the bare loop", floor, 1 / 0.97)
        ours, other = side_by_side(steps, steps_of(plain), rounds=15)
        yield Row(group, "the steps with AdaFocal", ours, "the steps with CE", other, 1.01)
        if not cuda:
            exact = training_of(model, count, "ce", device, folder, "precision=float32")
            ours, other = side_by_side(steps_of(plain), steps_of(exact), rounds=5)
            yield Row(group, f"the steps in {plain.speed.precision}, as on this processor", ours, "in float32", other)

        split = training.train
        loader = DataLoader(Pictures(split.to("cpu")), 128, shuffle=True)
        ours, other = side_by_side(
            lambda: [None for _ in split.train_batches(128, seed=0, epoch=0)], lambda: [None for _ in loader], rounds=2
        )
        yield Row(group, "augmented batches alone", ours, "a torchvision DataLoader", other, 0.1)

        epoch = best_of(lambda: _whole_epoch(training), 2)
        steps()
        seen = training.part.seen
        predict = best_of(lambda: (training.predict(training.val), training.predict(training.test)), 2)
        logits, test_logits = training.predict(training.val), training.predict(training.test)
        parts = {
            "scoring validation and test set (forward)": predict,
            "gamma update": best_of(lambda: training.loss.update(to_cpu(logits)[0], training.labels["val"]), 5),
            "scores and bins for the record": best_of(lambda: _record(training, logits, test_logits, seen), 2),
            "writing a checkpoint": best_of(lambda: checkpoint.save(folder, training.state_dict()), 2),
        }
        for what, seconds in parts.items():
            yield Row(f"share of an epoch, {group.split(', ', 1)[1]}", what, seconds, "the epoch", epoch)
    if cuda:
        yield from _cifar_nets(device)


def _whole_epoch(training: Training) -> None:
    training.part = None
    training.train_epoch()


def _record(training: Training, logits: torch.Tensor, test_logits: torch.Tensor, seen) -> None:
    logits, test_logits, *seen = to_cpu(logits, test_logits, seen.p_true, seen.p_top)
    epoch_scores("val", logits, training.labels["val"], 15)
    epoch_scores("test", test_logits, training.labels["test"], 15)
    bin_rows(1, logits, training.labels["val"], *seen, training.loss.gammas, 15)


def _cifar_nets(device: torch.device) -> Iterator[Row]:
    """Seconds an epoch of 45,000 images for the four nets, plain and compiled, at three precisions."""
    for model in CIFAR_NETS:
        for precision in ("float32", "tf32", "bf16"):
            for compiled in (False, True):
                settings = (f"precision={precision}", f"compile={compiled}")
                choose(precision, compiled, device)
                with tempfile.TemporaryDirectory() as folder:
                    training = training_of(model, 6_400, "adafocal", device, Path(folder), *settings)
                    seconds = best_of(steps_of(training), 2) * 45_000 / 6_400
                what = f"{model}, {precision}{', compiled' if compiled else ''} ({45_000 / seconds:,.0f} images/s)"
                yield Row("an epoch's steps on 45,000 images", what, seconds, "roofline", 45_000 / ROOFLINE[model])


def largest_costs(device: torch.device, count: int = 3) -> list[tuple[str, float]]:
    """The operations that take the most time of the steps, with their share of it, from torch's profiler."""
    with tempfile.TemporaryDirectory() as folder:
        model, images = ("resnet50", 2_560) if device.type == "cuda" else ("resnet8", 640)
        steps = steps_of(training_of(model, images, "adafocal", device, Path(folder)))
        steps()
        with torch.profiler.profile() as profile:
            steps()
    return largest(profile.key_averages(), device, count)


def largest(events, device: torch.device, count: int) -> list[tuple[str, float]]:
    """The most expensive of the profiler's events, with their share of the time of all.

    On a GPU only its kernels count: the CPU's operations that launch them have their time once more.
    """
    if device.type == "cuda":
        cost = {event.key: event.self_device_time_total for event in events if event.device_type == DeviceType.CUDA}
    else:
        cost = {event.key: event.self_cpu_time_total for event in events}
    total = sum(cost.values())
    return [(key, cost[key] / total) for key in sorted(cost, key=cost.get, reverse=True)[:count]]
