"""Training one run: read `Training.run` first."""

import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

import data
import losses
import models
from calibration import summary
from data import Split, Splits
from experiments import checkpoint, files, records
from experiments.evaluate import TrainingConfidence, bin_rows, epoch_scores, predict
from experiments.grid import Run
from experiments.provenance import environment
from experiments.recipes import Recipe
from posthoc import TemperatureScaling


class TrainingDiverged(RuntimeError):
    """The loss became NaN or infinite."""


class CannotResume(RuntimeError):
    """The checkpoint is of another recipe, seed or data."""


def learning_rate(recipe: Recipe, step: int, steps_an_epoch: int) -> float:
    """The learning rate of a step (0-based).

    Schedule "milestones": multiplied by `lr_factor` at every milestone passed. "linear": up from 0 in the first
    `warmup` of all steps, then down to what would be 0 after the last one, as `get_linear_schedule_with_warmup` of
    transformers.
    """
    if recipe.schedule == "linear":
        total = recipe.epochs * steps_an_epoch
        rising = int(recipe.warmup * total)
        return recipe.lr * (step / rising if step < rising else (total - step) / (total - rising))
    return recipe.lr * recipe.lr_factor ** sum(step // steps_an_epoch >= epoch for epoch in recipe.milestones)


class Training:
    """One run, from its recipe, seed and data to its record.

    Args:
        run: names the recipe and the seed.
        splits: train, val and test; the test split is only ever scored.
        folder: the run's folder, which exists and is locked.
        device: where to train.
        pretrained: folder of the recipe's pretrained encoder, if it has one.
        checkpoint_seconds: shortest time between two checkpoints, which are taken at the end of an epoch.
        say: gets a line for what the user should know.
        on_epoch: called after every epoch with its row of `history.csv`.
    """

    def __init__(
        self,
        run: Run,
        splits: Splits,
        folder,
        device: torch.device,
        pretrained: Path | None = None,
        checkpoint_seconds: float = 60.0,
        say: Callable[[str], None] = print,
        on_epoch: Callable[[dict], None] = lambda row: None,
    ):
        self.run_id, self.recipe, self.folder, self.device = run, run.recipe, folder, device
        self.checkpoint_seconds, self.say, self.on_epoch = checkpoint_seconds, say, on_epoch
        self.train, self.val, self.test = (split.to(device) for split in splits)
        self.pretrained_sha256 = data.weights_sha256(pretrained) if pretrained else None

        torch.manual_seed(run.seed)
        self.model = build_model(self.recipe, self.train, pretrained).to(device)
        self.loss = losses.build(self.recipe.loss, reduction=self.recipe.reduction, **self.recipe.loss_options).to(
            device
        )
        self.adapts = hasattr(self.loss, "update")  # to the validation set
        self.optimizer = build_optimizer(self.recipe, self.model)
        self.epoch, self.steps = 0, 0  # both count what is done
        self.history: list[dict] = []
        self.bins: list[dict] = []
        self.val_logits = self.test_logits = None

    def run(self) -> dict:
        """Train to the end, from the last checkpoint if there is one, and write the record; returns `result.json`.

        Raises:
            TrainingDiverged: the loss became NaN or infinite; the last checkpoint is kept.
        """
        self.restore()
        files.write_json(self.folder / records.CONFIG, self.config())
        history = files.CsvLog(self.folder / records.HISTORY, self.history)
        bins = files.CsvLog(self.folder / records.BINS, self.bins)
        saved = time.monotonic()
        while self.epoch < self.recipe.epochs:
            row, bin_rows = self.train_epoch()
            history.extend([row])
            bins.extend(bin_rows)
            self.history.append(row)
            self.bins += bin_rows
            self.epoch += 1
            if time.monotonic() - saved >= self.checkpoint_seconds or self.epoch == self.recipe.epochs:
                checkpoint.save(self.folder, self.state())
                saved = time.monotonic()
            self.on_epoch(row)
        return self.finish()

    def train_epoch(self) -> tuple[dict, list[dict]]:
        """One pass over the training split, the gamma update, and the epoch's rows of history.csv and bins.csv."""
        recipe, begin = self.recipe, time.monotonic()
        steps_an_epoch = self.train.num_batches(recipe.batch_size)
        seen = TrainingConfidence(len(self.train), self.device)
        total = torch.zeros((), device=self.device, dtype=torch.float64)

        self.model.train()
        for batch in self.train.train_batches(recipe.batch_size, seed=self.run_id.seed, epoch=self.epoch):
            logits = self.model(batch.inputs)
            loss = self.loss(logits, batch.labels)
            self.check_finite(loss)
            self.optimizer.zero_grad()
            loss.backward()
            lr = learning_rate(recipe, self.steps, steps_an_epoch)
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            if recipe.clip_norm:
                nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_norm)
            self.optimizer.step()
            self.steps += 1
            total += loss.detach() * (1 if recipe.reduction == "sum" else len(batch.labels))
            seen.add(batch.index, logits, batch.labels)
            if self.adapts and recipe.update_every and self.steps % recipe.update_every == 0:
                self.loss.update(predict(self.model, self.val, recipe.eval_batch_size), self.val.labels)

        self.val_logits = predict(self.model, self.val, recipe.eval_batch_size)
        self.test_logits = predict(self.model, self.test, recipe.eval_batch_size)
        for logits in (total, self.val_logits, self.test_logits):
            self.check_finite(logits, now=True)
        if self.adapts and not recipe.update_every:
            self.loss.update(self.val_logits, self.val.labels)
        row = {
            "epoch": self.epoch + 1,
            "lr": lr,
            "train_loss": total.item() / len(self.train),
            **epoch_scores("val", self.val_logits, self.val.labels, recipe.num_bins),
            **epoch_scores("test", self.test_logits, self.test.labels, recipe.num_bins),
        }
        gammas = getattr(self.loss, "gammas", None)
        num_bins = getattr(self.loss, "num_bins", recipe.num_bins)  # those of gamma where there is one
        rows = bin_rows(self.epoch + 1, self.val_logits, self.val.labels, seen, gammas, num_bins)
        return row | {"seconds": round(time.monotonic() - begin, 3)}, rows

    def check_finite(self, value: torch.Tensor, now: bool = False) -> None:
        """Stop at a NaN or infinite value. On a GPU a step's loss is not waited for: the epoch's total tells."""
        if (now or self.device.type == "cpu") and not torch.isfinite(value).all():
            raise TrainingDiverged(
                f"{self.run_id}: NaN or infinity in epoch {self.epoch + 1} of {self.recipe.epochs}, after step "
                f"{self.steps}: stopped; lower the learning rate (--set lr=...) or clip_norm"
            )

    def finish(self) -> dict:
        """Score the final model before and after temperature scaling and write the rest of the record."""
        if self.val_logits is None:  # resumed after the last epoch
            self.val_logits = predict(self.model, self.val, self.recipe.eval_batch_size)
            self.test_logits = predict(self.model, self.test, self.recipe.eval_batch_size)
        labels = {"val": self.val.labels.cpu(), "test": self.test.labels.cpu()}
        logits = {"val": self.val_logits.cpu(), "test": self.test_logits.cpu()}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            scaling = TemperatureScaling(self.recipe.num_bins).fit(logits["val"], labels["val"])
        for warning in caught:
            self.say(f"{self.run_id}: {warning.message}")
        result = {
            "run": str(self.run_id),
            "epochs": self.epoch,
            "steps": self.steps,
            "num_bins": self.recipe.num_bins,
            "temperature": scaling.temperature_,
            "seconds": round(sum(row["seconds"] for row in self.history), 3),
        }
        for name in ("val", "test"):
            result[name] = summary(logits[name], labels[name], self.recipe.num_bins)
        for name in ("val", "test"):
            scaled = scaling.transform(logits[name])
            result[f"{name}_scaled"] = summary(scaled, labels[name], self.recipe.num_bins)
        arrays = {}
        for name in ("val", "test"):
            arrays |= {f"{name}_logits": logits[name].numpy(), f"{name}_labels": labels[name].numpy()}
        files.write_bytes(self.folder / records.HISTORY, files.csv_text(self.history).encode())
        files.write_bytes(self.folder / records.BINS, files.csv_text(self.bins).encode())
        result["sha256"] = {records.PREDICTIONS: files.write_npz(self.folder / records.PREDICTIONS, arrays)}
        files.write_json(self.folder / records.RESULT, result)
        return result

    def config(self) -> dict:
        """`config.json`: everything that led to this run."""
        return {
            "run": str(self.run_id),
            "seed": self.run_id.seed,
            "recipe": records.as_json(self.recipe),
            "data": {
                name: {"samples": len(split), "sha256": split.fingerprint}
                for name, split in (("train", self.train), ("val", self.val), ("test", self.test))
            },
            "classes": list(self.train.classes),
            "note": self.train.note,
            "pretrained_sha256": self.pretrained_sha256,
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "environment": environment(self.device),
        }

    def state(self) -> dict:
        """All that the rest of the run depends on."""
        return {
            "identity": self.identity(),
            "epoch": self.epoch,
            "steps": self.steps,
            "model": self.model.state_dict(),
            "loss": self.loss.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "history": self.history,
            "bins": self.bins,
        }

    def identity(self) -> dict:
        """What a checkpoint must agree on to be gone on from."""
        return {
            "recipe": records.as_json(self.recipe),
            "seed": self.run_id.seed,
            "data": [split.fingerprint for split in (self.train, self.val, self.test)],
            "pretrained": self.pretrained_sha256,
        }

    def restore(self) -> None:
        """Go on from the newest sound checkpoint, if there is one.

        Raises:
            CannotResume: it is of another recipe, seed, data or pretrained encoder.
        """
        state = checkpoint.load(self.folder, self.say)
        if state is None:
            return
        for name, mine in self.identity().items():
            if state["identity"].get(name) != mine:
                raise CannotResume(
                    f"{self.folder / checkpoint.CURRENT} was made with another {name}: move the folder away to start "
                    f"again ({_difference(state['identity'][name], mine)})"
                )
        self.model.load_state_dict(state["model"])
        self.loss.load_state_dict(state["loss"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        if state["cuda_rng"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_rng"], self.device)
        self.epoch, self.steps = state["epoch"], state["steps"]
        self.history, self.bins = state["history"], state["bins"]
        self.say(f"going on after epoch {self.epoch} of {self.recipe.epochs}")


def build_model(recipe: Recipe, split: Split, pretrained: Path | None = None) -> nn.Module:
    """The recipe's model for a split's classes and words, freshly initialised from torch's current random state."""
    options = dict(recipe.model_options)
    if pretrained:
        options |= {"pretrained": str(pretrained)}
    if getattr(split, "vocab", None):
        options |= {"vectors": split.vectors, "vocab_size": len(split.vocab) + 1}
    model = models.build(recipe.model, recipe.dataset, num_classes=split.num_classes, **options)
    theirs, ours = getattr(model, "pad_id", None), getattr(split, "pad_id", None)
    if theirs is not None and theirs != ours:
        raise ValueError(f"{recipe.model} pads with id {theirs}, the texts' tokenizer with {ours}: not of one encoder")
    return model


def build_optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimizer over the parameters that are trained."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not recipe.decay_all:
        parameters = [
            {"params": [parameter for parameter in parameters if parameter.ndim > 1]},
            {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
        ]
    common = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=recipe.momentum, nesterov=recipe.nesterov, **common)
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer](parameters, **common)


def _difference(theirs, mine) -> str:
    if not isinstance(mine, dict):
        return f"{theirs!r}, now {mine!r}"
    return ", ".join(
        f"{name} {theirs.get(name)!r}, now {new!r}" for name, new in mine.items() if theirs.get(name) != new
    )
