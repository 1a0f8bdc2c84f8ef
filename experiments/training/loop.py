"""The training loop of one run: read `Training.run` first."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

import data
import losses
from calibration.checks import impossible_row
from data import Split, Splits
from data.splits.split import Batch
from experiments import records
from experiments.grid import Run
from experiments.records import files
from experiments.records.provenance import of_session
from experiments.training import checkpoint, graph, resuming
from experiments.training.epoch import PartialEpoch, bin_rows, epoch_scores
from experiments.training.errors import Preempted, TrainingDiverged
from experiments.training.evaluate import predict
from experiments.training.model import build_model
from experiments.training.optimizer import build_optimizer, learning_rate
from experiments.training.precision import choose, to_cpu
from experiments.training.session import Session

LONG = 10  # within an epoch, checkpoints are so many times rarer than at its end
LOOK_EVERY = 50  # steps between two looks at the clock for that


class Training:
    """One run, from its recipe, seed and data to its last epoch.

    Args:
        run: names the recipe and the seed.
        splits: train, val and test; the test split is only ever scored.
        folder: the run's folder, which exists and is locked.
        session: where and how; its folders are not looked at.
    """

    def __init__(self, run: Run, splits: Splits, folder: Path, session: Session):
        self.run_id, self.recipe, self.folder, self.session = run, run.recipe, folder, session
        self.device, self.world, pretrained = torch.device(session.device), session.world, session.pretrained
        device, world = self.device, self.world
        self.pretrained_sha256 = data.weights_sha256(pretrained) if pretrained else None
        self.identity = resuming.identity(run, splits, self.pretrained_sha256)
        self.train, self.val, self.test = (split.to(device) for split in splits)
        self.labels = {"val": splits.val.labels, "test": splits.test.labels}  # on the CPU, where scores are computed

        torch.manual_seed(run.seed)
        self.model = build_model(self.recipe, self.train, pretrained)
        if self.recipe.sync_batch_norm:
            self.model = world.sync_batch_norm(self.model, device)
        one_shape = not isinstance(self.train, data.TokenSplit)
        self.speed = choose(
            self.recipe.precision, self.recipe.compile, device, one_shape, world, self.recipe.deterministic
        )
        self.model = self.speed.layout(self.model.to(device))
        # what steps and scoring call: they share the parameters of self.model, which checkpoints hold
        self.step_model = self.speed.compile(world.wrap(self.model, device))
        self.eval_model = self.speed.compile(self.model)
        loss = losses.build(self.recipe.loss, reduction=self.recipe.reduction, **self.recipe.loss_options)
        self.loss = loss.to(device)
        self.adapts = hasattr(self.loss, "update")  # to the validation set
        self.optimizer = build_optimizer(self.recipe, self.model)
        self.batch_sizes = self.train.batch_sizes(self.recipe.batch_size, self.recipe.drop_last)  # of every epoch
        self.step = self.one_step
        if self.recipe.cuda_graph:
            graph.check(self.recipe, device, one_shape, world)
            self.step = graph.GraphedStep(self.one_step, self.optimizer, self.recipe.batch_size)
        self.environments = [of_session(device, self.speed.precision, world.size, 1)]  # of all sessions so far
        self.epoch, self.steps = 0, 0  # both count what is done
        self.part: PartialEpoch | None = None  # of an epoch that has begun
        if world.size > 1:  # every process draws its own dropout
            torch.manual_seed(run.seed * 1000 + world.rank)
        self.history: list[dict] = []
        self.bins: list[dict] = []
        self.val_logits = self.test_logits = None
        self.saved = time.monotonic()  # when the last checkpoint was written
        self.best: dict | None = None  # of the epochs done, where the recipe keeps the best

    def run(self) -> None:
        """Train to the end, from where it is, keeping `history.csv`, `bins.csv` and checkpoints up to date.

        Raises:
            TrainingDiverged: the loss became NaN or infinite; the last checkpoint is kept.
            Preempted: the session's `should_stop` said so.
        """
        if self.world.writes:
            history = files.CsvLog(self.folder / records.HISTORY, self.history)
            bins = files.CsvLog(self.folder / records.BINS, self.bins)
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
            if last or self.world.agreed(time.monotonic() - self.saved >= self.session.checkpoint_seconds):
                self.save()
            self.session.on_epoch(row)
            if not last and self.world.any(self.session.should_stop()):
                self.stop()

    def train_epoch(self) -> tuple[dict, list[dict]]:
        """The rest of a pass over the training split, the gamma update, and the epoch's rows of history and bins."""
        recipe = self.recipe
        lr = self.take_steps()
        part = self.part
        predicted = self.predict(self.val), self.predict(self.test)
        self.val_logits, self.test_logits, total, *seen = to_cpu(
            *predicted, part.total, part.seen.p_true, part.seen.p_top
        )
        self.check_finite(total, now=True)
        self.check_logits(self.val_logits, self.labels["val"])
        self.check_logits(self.test_logits, self.labels["test"])
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
        # gammas that moved within the epoch belong to the bins of that moment
        edges = self.loss.edges.double().cpu().numpy() if self.adapts and recipe.update_every else None
        rows = bin_rows(self.epoch + 1, self.val_logits, self.labels["val"], *seen, gammas, num_bins, edges)
        return row | {"seconds": round(part.elapsed, 3)}, rows

    def take_steps(self) -> float:
        """The rest of a pass over the training split; returns the learning rate of its last step."""
        recipe = self.recipe
        order = (recipe.batch_size, self.run_id.seed, self.epoch)
        sizes = self.batch_sizes
        if self.part is None:
            self.part = PartialEpoch(len(self.train), self.device)
        part = self.part

        self.model.train()
        for batch in self.train.train_batches(*order, part.steps, self.world.part, recipe.drop_last):
            lr = learning_rate(recipe, self.steps, len(sizes))
            graph.set_learning_rate(self.optimizer, lr)
            *seen, loss = self.step(batch)
            self.steps += 1
            part.steps += 1
            part.total += loss * (1 if recipe.reduction == "sum" else len(seen[0]))
            part.seen.add(*seen)
            if self.adapts and recipe.update_every and self.steps % recipe.update_every == 0:
                self.update_gamma(self.predict(self.val))
            if part.steps < len(sizes):
                self.between_steps()
        return lr

    def one_step(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Take a batch through net, loss and optimizer; the whole batch's index, logits, labels and loss."""
        with self.speed.autocast():
            logits = self.step_model(self.speed.inputs(batch.inputs))
        size = self.batch_sizes[self.part.steps]
        logits, index, labels = self.world.whole_batch(logits.float(), batch.index, batch.labels, size)
        loss = self.loss(logits, labels)
        self.check_finite(loss)
        self.optimizer.zero_grad()
        loss.backward()
        if self.recipe.clip_norm:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.optimizer.step()
        return index, logits.detach(), labels, loss.detach()

    def predict(self, split: Split) -> torch.Tensor:
        """[N, K] float32 logits of a split."""
        return predict(self.eval_model, split, self.recipe.eval_batch_size, self.world, self.speed)

    def update_gamma(self, val_logits: torch.Tensor) -> None:
        """Show the loss the whole validation set; processes that come to different gammas are a bug."""
        (val_logits,) = to_cpu(val_logits)
        self.check_logits(val_logits, self.labels["val"])
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
        if self.world.any(self.session.should_stop()):
            self.stop()
        if self.part.steps % LOOK_EVERY == 0:
            due = time.monotonic() - self.saved >= LONG * max(self.session.checkpoint_seconds, 1.0)
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
        state = {"identity": self.identity, **self.state_dict()}
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

    def check_logits(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Stop at [N, K] logits with NaN or infinity; -inf may say that a sample cannot have a class but its label."""
        own = logits.gather(1, labels[:, None])
        self.check_finite(own if impossible_row(logits) is None else logits, now=True)

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the run depends on."""
        return {
            "epoch": self.epoch,
            "steps": self.steps,
            "environments": self.environments,
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

    def restore(self) -> None:
        """Go on from the newest sound checkpoint of the folder, if there is one.

        Raises:
            CannotResume: it is of another recipe, seed, data or pretrained encoder, or of another version.
        """
        state = resuming.load(self.folder, self.identity, self.state_dict(), self.world, self.session.say)
        if state is None:
            return
        before = state["environments"]
        ours = self.speed.precision
        if self.recipe.precision == "auto" and before and (theirs := before[-1].get("precision", ours)) != ours:
            self.session.say(f"{self.run_id}: goes on in {theirs}, as it began; {ours} is usual here")
            self.speed = replace(self.speed, precision=theirs)
        now = of_session(self.device, self.speed.precision, self.world.size, state["epoch"] + 1)
        self.environments = resuming.with_session(before, now)
        self.model.load_state_dict(state["model"])
        self.loss.load_state_dict(state["loss"])
        resuming.load_optimizer(self.optimizer, state["optimizer"])
        if len(state["rng"]) == self.world.size:  # otherwise dropout goes on with other draws
            torch.set_rng_state(state["rng"][self.world.rank])
            if state["cuda_rng"] and self.device.type == "cuda":
                torch.cuda.set_rng_state(state["cuda_rng"][self.world.rank], self.device)
        self.epoch, self.steps = state["epoch"], state["steps"]
        self.history, self.bins, self.best = state["history"], state["bins"], state["best"]
        if state["part"]:
            self.part = PartialEpoch(len(self.train), self.device)
            self.part.restore(state["part"])
        steps = f" and {self.part.steps} steps" if self.part else ""
        self.session.say(f"going on after epoch {self.epoch}{steps} of {self.recipe.epochs}")
