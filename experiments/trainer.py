"""Training one run: read `Training.run` first."""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

import data
import losses
from data import Split, Splits
from experiments import checkpoint, files, records
from experiments.build import build_model, build_optimizer, learning_rate
from experiments.distributed import ALONE, World
from experiments.epoch import EpochPart, bin_rows, epoch_scores
from experiments.evaluate import final_scores, predict
from experiments.grid import Run
from experiments.provenance import environment
from experiments.resuming import check_same_place, load_optimizer
from experiments.speed import choose, to_cpu


class TrainingDiverged(RuntimeError):
    """The loss became NaN or infinite."""


class Preempted(RuntimeError):
    """The run was asked to stop, and did so after a checkpoint."""


class CannotResume(RuntimeError):
    """The checkpoint is of another recipe, seed or data."""


LONG = 10  # within an epoch, checkpoints are so many times rarer than at its end
LOOK_EVERY = 50  # steps between two looks at the clock for that


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
        should_stop: asked after every step; once it says yes, the run writes a checkpoint and stops.
        world: the processes that train it together; the one of rank 0 writes.
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
        should_stop: Callable[[], bool] = lambda: False,
        world: World = ALONE,
    ):
        self.run_id, self.recipe, self.folder, self.device = run, run.recipe, folder, device
        self.checkpoint_seconds, self.say, self.on_epoch = checkpoint_seconds, say, on_epoch
        self.should_stop, self.world = should_stop, world
        self.train, self.val, self.test = (split.to(device) for split in splits)
        self.labels = {"val": splits.val.labels, "test": splits.test.labels}  # on the CPU, where scores are computed
        self.pretrained_sha256 = data.weights_sha256(pretrained) if pretrained else None

        torch.manual_seed(run.seed)
        self.model = build_model(self.recipe, self.train, pretrained)
        if self.recipe.sync_batch_norm:
            self.model = world.sync_batch_norm(self.model, device)
        one_shape = not isinstance(self.train, data.TokenSplit)
        self.speed = choose(
            self.recipe.precision, self.recipe.compile, device, one_shape, world, self.recipe.deterministic
        )
        self.model = self.speed.layout(self.model.to(device))
        self.loss = losses.build(self.recipe.loss, reduction=self.recipe.reduction, **self.recipe.loss_options).to(
            device
        )
        self.adapts = hasattr(self.loss, "update")  # to the validation set
        self.optimizer = build_optimizer(self.recipe, self.model)
        self.batch_sizes = self.train.batch_sizes(self.recipe.batch_size, self.recipe.drop_last)  # of every epoch
        self.epoch, self.steps = 0, 0  # both count what is done
        self.part: EpochPart | None = None  # of an epoch that has begun
        if world.size > 1:  # every process draws its own dropout
            torch.manual_seed(run.seed * 1000 + world.rank)
        self.history: list[dict] = []
        self.bins: list[dict] = []
        self.val_logits = self.test_logits = None
        self.best: dict | None = None  # of the epochs done, where the recipe keeps the best

    def run(self) -> dict:
        """Train to the end, from the last checkpoint if there is one, and write the record; returns `result.json`.

        Raises:
            TrainingDiverged: the loss became NaN or infinite; the last checkpoint is kept.
            Preempted: `should_stop` said so.
        """
        self.restore()
        # what steps and scoring call: they share the parameters of self.model, which checkpoints hold
        self.step_model = self.speed.compile(self.world.wrap(self.model, self.device))
        self.eval_model = self.speed.compile(self.model)
        if self.world.writes:
            files.write_json(self.folder / records.CONFIG, self.config())
            history = files.CsvLog(self.folder / records.HISTORY, self.history)
            bins = files.CsvLog(self.folder / records.BINS, self.bins)
        self.saved = time.monotonic()
        while self.epoch < self.recipe.epochs:
            row, bin_rows = self.train_epoch()
            if self.world.writes:
                history.extend([row])
                bins.extend(bin_rows)
            self.history.append(row)
            self.bins += bin_rows
            self.epoch += 1
            self.part = None
            last = self.epoch == self.recipe.epochs
            if last or self.world.agreed(time.monotonic() - self.saved >= self.checkpoint_seconds):
                self.save()
            self.on_epoch(row)
            if not last and self.world.any(self.should_stop()):
                self.stop()
        return self.finish()

    def train_epoch(self) -> tuple[dict, list[dict]]:
        """The rest of a pass over the training split, the gamma update, and the epoch's rows of history and bins."""
        recipe = self.recipe
        lr = self.take_steps()
        part = self.part
        predicted = self.predict(self.val), self.predict(self.test)
        self.val_logits, self.test_logits, total, *seen = to_cpu(
            *predicted, part.total, part.seen.p_true, part.seen.p_top
        )
        for value in (total, self.val_logits, self.test_logits):
            self.check_finite(value, now=True)
        if self.adapts and not recipe.update_every:
            self.update_gamma(self.val_logits)
        row = {
            "epoch": self.epoch + 1,
            "lr": lr,
            "train_loss": total.item() / sum(self.batch_sizes),
            **epoch_scores("val", self.val_logits, self.labels["val"], recipe.num_bins),
            **epoch_scores("test", self.test_logits, self.labels["test"], recipe.num_bins),
        }
        self.keep_best(row["val_error"])
        gammas = getattr(self.loss, "gammas", None)
        num_bins = getattr(self.loss, "num_bins", recipe.num_bins)  # those of gamma where there is one
        rows = bin_rows(self.epoch + 1, self.val_logits, self.labels["val"], *seen, gammas, num_bins)
        return row | {"seconds": round(part.elapsed, 3)}, rows

    def take_steps(self) -> float:
        """The rest of a pass over the training split; returns the learning rate of its last step."""
        recipe = self.recipe
        order = (recipe.batch_size, self.run_id.seed, self.epoch)
        sizes = self.batch_sizes
        if self.part is None:
            self.part = EpochPart(len(self.train), self.device)
        part = self.part

        self.model.train()
        for batch in self.train.train_batches(*order, part.steps, self.world.part, recipe.drop_last):
            with self.speed.autocast():
                logits = self.step_model(self.speed.inputs(batch.inputs))
            logits, index, labels = self.world.whole_batch(logits.float(), batch.index, batch.labels, sizes[part.steps])
            loss = self.loss(logits, labels)
            self.check_finite(loss)
            self.optimizer.zero_grad()
            loss.backward()
            lr = learning_rate(recipe, self.steps, len(sizes))
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            if recipe.clip_norm:
                nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_norm)
            self.optimizer.step()
            self.steps += 1
            part.steps += 1
            part.total += loss.detach() * (1 if recipe.reduction == "sum" else len(labels))
            part.seen.add(index, logits, labels)
            if self.adapts and recipe.update_every and self.steps % recipe.update_every == 0:
                self.update_gamma(self.predict(self.val))
            if part.steps < len(sizes):
                self.between_steps()
        return lr

    def predict(self, split: Split) -> torch.Tensor:
        """[N, K] float32 logits of a split."""
        return predict(self.eval_model, split, self.recipe.eval_batch_size, self.world, self.speed)

    def update_gamma(self, val_logits: torch.Tensor) -> None:
        """Show the loss the whole validation set; processes that come to different gammas are a bug."""
        (val_logits,) = to_cpu(val_logits)
        self.check_finite(val_logits, now=True)
        self.loss.update(val_logits, self.labels["val"])
        if self.world.size == 1:
            return
        states = [value.double().cpu() for value in self.loss.state_dict().values()]
        mine = torch.cat([value.flatten() for value in states])
        for rank, theirs in enumerate(self.world.all_of(mine)):
            if not torch.equal(theirs.nan_to_num(), mine.nan_to_num()):
                raise RuntimeError(f"{self.run_id}: gammas of processes {rank} and {self.world.rank} differ")

    def keep_best(self, val_error: float) -> None:
        """Remember this epoch if the recipe keeps the best one and no epoch before had so low a validation error."""
        if self.recipe.keep == "best" and (self.best is None or val_error < self.best["val_error"]):
            self.best = {
                "epoch": self.epoch + 1,
                "val_error": val_error,
                "val_logits": self.val_logits.cpu(),
                "test_logits": self.test_logits.cpu(),
                "model": {name: value.cpu().clone() for name, value in self.model.state_dict().items()},
            }

    def between_steps(self) -> None:
        """Stop if asked to, after a checkpoint; in a long epoch take one now and then."""
        if self.world.any(self.should_stop()):
            self.stop()
        if self.part.steps % LOOK_EVERY == 0:
            due = time.monotonic() - self.saved >= LONG * max(self.checkpoint_seconds, 1.0)
            if self.world.agreed(due):
                self.save()

    def stop(self) -> None:
        """Write a checkpoint and end.

        Raises:
            Preempted: always.
        """
        self.save()
        self.world.agreed(None)  # torchrun stops the others once one has left: none leaves before the write has ended
        steps = f" and {self.part.steps} steps" if self.part else ""
        raise Preempted(f"{self.run_id}: stopped after epoch {self.epoch} of {self.recipe.epochs}{steps}, as asked")

    def save(self) -> None:
        """Write a checkpoint, unless what is trained has become NaN or infinite since the last one."""
        self.check_finite(torch.stack([p.detach().abs().max() for p in self.model.parameters()]), now=True)
        state = self.state()
        if self.world.writes:
            checkpoint.save(self.folder, state)
        self.saved = time.monotonic()

    def check_finite(self, value: torch.Tensor, now: bool = False) -> None:
        """Stop at a NaN or infinite value. On a GPU a step's loss is not waited for: the epoch's total tells."""
        if (now or self.device.type == "cpu") and not torch.isfinite(value).all():
            raise TrainingDiverged(
                f"{self.run_id}: NaN or infinity in epoch {self.epoch + 1} of {self.recipe.epochs}, after step "
                f"{self.steps}: stopped; lower the learning rate (--set lr=...) or clip_norm"
            )

    def finish(self) -> dict:
        """Score the kept epoch before and after temperature scaling and write the rest of the record."""
        if self.val_logits is None:  # resumed after the last epoch
            self.val_logits, self.test_logits = self.predict(self.val), self.predict(self.test)
        last = {"val": self.val_logits.cpu(), "test": self.test_logits.cpu()}
        best = self.best or {"epoch": self.epoch}
        logits = {name: best.get(f"{name}_logits", values) for name, values in last.items()}
        labels = self.labels

        def scores(logits: dict[str, torch.Tensor]) -> dict:
            return final_scores(logits, labels, self.recipe.num_bins, lambda text: self.say(f"{self.run_id}: {text}"))

        result = {
            "run": str(self.run_id),
            "epochs": self.epoch,
            "kept_epoch": best["epoch"],
            "steps": self.steps,
            "num_bins": self.recipe.num_bins,
            "seconds": round(sum(row["seconds"] for row in self.history), 3),
            **scores(logits),
        }
        if best["epoch"] != self.epoch:
            result["last_epoch"] = scores(last)
        if not self.world.writes:
            return result
        arrays = {f"{name}_logits": values.numpy() for name, values in logits.items()}
        arrays |= {f"{name}_labels": values.numpy() for name, values in labels.items()}
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
            "overrides": list(self.run_id.overrides),
            "recipe": records.as_json(self.recipe),
            "data": {
                name: {"samples": len(split), "sha256": split.fingerprint}
                for name, split in (("train", self.train), ("val", self.val), ("test", self.test))
            },
            "classes": list(self.train.classes),
            "note": self.train.note,
            "batching": self.train.batching,
            "pretrained_sha256": self.pretrained_sha256,
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "environment": environment(self.device) | {"processes": self.world.size, "precision": self.speed.precision},
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
            "part": self.part.state() if self.part else None,
            "rng": self.world.all_of(torch.get_rng_state()),
            "cuda_rng": self.world.all_of(torch.cuda.get_rng_state(self.device)) if self.device.type == "cuda" else [],
            "history": self.history,
            "bins": self.bins,
            "best": self.best,
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
        check_same_place(self.world, state)
        if state is None:
            return
        if lacking := set(self.state()) - set(state):
            raise CannotResume(f"{self.folder / checkpoint.CURRENT} is of another version: it lacks {sorted(lacking)}")
        for name, mine in self.identity().items():
            if state["identity"].get(name) != mine:
                raise CannotResume(
                    f"{self.folder / checkpoint.CURRENT} was made with another {name}: move the folder away to start "
                    f"again ({_difference(state['identity'][name], mine)})"
                )
        self.model.load_state_dict(state["model"])
        self.loss.load_state_dict(state["loss"])
        load_optimizer(self.optimizer, state["optimizer"])
        if len(state["rng"]) == self.world.size:  # otherwise dropout goes on with other draws
            torch.set_rng_state(state["rng"][self.world.rank])
            if state["cuda_rng"] and self.device.type == "cuda":
                torch.cuda.set_rng_state(state["cuda_rng"][self.world.rank], self.device)
        self.epoch, self.steps = state["epoch"], state["steps"]
        self.history, self.bins, self.best = state["history"], state["bins"], state["best"]
        if state["part"]:
            self.part = EpochPart(len(self.train), self.device)
            self.part.restore(state["part"])
        steps = f" and {self.part.steps} steps" if self.part else ""
        self.say(f"going on after epoch {self.epoch}{steps} of {self.recipe.epochs}")


def _difference(theirs, mine) -> str:
    if not isinstance(mine, dict):
        return f"{theirs!r}, now {mine!r}"
    return ", ".join(
        f"{name} {theirs.get(name)!r}, now {new!r}" for name, new in mine.items() if theirs.get(name) != new
    )
