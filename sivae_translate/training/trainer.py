"""One run: its model, optimizers, data and state, and the files in its directory, connected."""

from __future__ import annotations

import copy
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from sivae_translate.data.batches import Images, PairSampler, UnreadableDomainError, batches, collate
from sivae_translate.data.holdout import HeldOut
from sivae_translate.errors import SivaeError, UsageError, one_line
from sivae_translate.models import Autoencoder
from sivae_translate.models.fused_norm import fuse_norms
from sivae_translate.models.growing import grow
from sivae_translate.models.pretrained import build_model, save_model
from sivae_translate.progress import Display
from sivae_translate.recipe import Recipe
from sivae_translate.training.agreement import Agreement
from sivae_translate.training.augment import augment_batch
from sivae_translate.training.broadcast import broadcast_run
from sivae_translate.training.captured import CapturedStep
from sivae_translate.training.checkpointing import States
from sivae_translate.training.choice import CHECKPOINTS, Choice
from sivae_translate.training.directory import write_recipe, writing
from sivae_translate.training.facts import describe_machine
from sivae_translate.training.grids import COLUMNS, Grids
from sivae_translate.training.heldout import load_held_out
from sivae_translate.training.log import LogFiles
from sivae_translate.training.loop import train_loop
from sivae_translate.training.monitor import Monitor
from sivae_translate.training.optimizers import NonFiniteLossError, Optimizers, moving_average
from sivae_translate.training.out_of_memory import free_memory, memory_error, ran_out
from sivae_translate.training.prior_refit import refit_style_prior
from sivae_translate.training.report import RunReport
from sivae_translate.training.slices import more_slices
from sivae_translate.training.snapshot import Snapshot
from sivae_translate.training.state import Budget, Schedule, State
from sivae_translate.training.stop import InterruptedRunError, Stop
from sivae_translate.training.trackers import Trackers
from sivae_translate.types import Batch, Objective

HALVINGS = 3  # of the learning rate, where training diverges, before it ends


class Run:
    """One run: data, model, optimizers and state, and the files in its directory."""

    def __init__(
        self,
        folder: Path,
        objective: Objective,
        images: Images,
        smaller: Autoencoder | None,
        accelerator: Accelerator,
        display: Display,
        allow_changed: bool,
        held: HeldOut | None,
        trackers: Trackers,
        recipe: Recipe,
    ) -> None:
        settings = recipe.training
        self.folder, self.recipe, self.accelerator, self.display = folder, recipe, accelerator, display
        self.objective, self.images, self.states, self.trackers = objective, images, States(folder), trackers
        set_seed(settings.seed)
        self.model: Autoencoder = build_model(recipe.model, images.domains.names, recipe.data.size)
        if smaller is not None and not self.states.exist():  # in the first process, whose weights all get
            self.grow(smaller)
        self.model.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if settings.fused_norm and (reason := fuse_norms(self.model, str(accelerator.device))):
            display.note(f"training.fused_norm has no effect, normalisation is PyTorch's own: {reason}")
        self.optimizers = Optimizers(self.model, accelerator, lr=settings.lr, betas=settings.betas, clip=settings.clip)
        self.ema = moving_average(self.model, settings.ema)
        self.parts = (self.model, self.ema, self.optimizers)
        state = self.resume(allow_changed) if accelerator.is_main_process else State()
        self.state = broadcast_run(*self.parts, state, accelerator)
        if self.state.scaled_lr not in (None, settings.lr):
            self.state.lr_scale = 1.0
        self.state.scaled_lr = settings.lr
        if accelerator.is_main_process:  # only now: a state that cannot be resumed leaves its recipe as it is
            with writing(folder):
                write_recipe(folder / "recipe.toml", recipe)
        self.report = RunReport(
            folder if accelerator.is_main_process else None,
            recipe,
            display,
            self.state,
            trained_on=len(images.domains.labels),
            domains=len(images.domains.names),
            machine=describe_machine(accelerator, settings.precision),
        )
        self.snapshot = Snapshot(*self.parts, self.state)
        self.held = held
        self.choice = self.chooser() if accelerator.is_main_process else None
        self.budget, self.stop = Budget(settings.images, settings.minutes), Stop()
        self.agreement = Agreement(accelerator, self.stop)

    def grow(self, smaller: Autoencoder) -> None:
        try:
            fraction = grow(self.model, smaller)
        except ValueError as error:
            raise UsageError(
                f"the smaller run cannot grow into this one: {error}; expected the same --domains"
            ) from None
        self.display.note(f"begins with {fraction:.0%} of its weights from {smaller.size} px")

    def chooser(self) -> Choice | None:
        """What measures the model on held-out images and keeps the best one; None where there are none."""
        settings, frame, display = self.recipe.model, self.images.frame, self.display
        heldout = load_held_out(self.held, self.images, self.recipe, self.accelerator.device, display)
        if heldout is None:
            return None
        return Choice(self.folder, heldout, settings, frame, self.state.images, display.note)

    def resume(self, allow_changed: bool) -> State:
        """The progress of the run in the folder, its state loaded; none for a new run."""
        if not self.states.exist():
            return State()
        state, damage = self.states.load(*self.parts, None if allow_changed else self.images.fingerprint())
        before = f" from {self.states.before.name}/, the state before the last ({damage})" if damage else ""
        self.display.note(f"resuming at {state.images:,} images{before}")
        return state

    def train(self) -> Path:
        """Train to the end of the budget; see `train`."""
        if self.budget.progress(self.state) >= 1:
            self.display.note(f"already trained: {self.state.images:,} images seen; raise its budget to train further")
        with self.stop.listening(), self.report.of_failures(lambda: self.state):
            while not self.train_on():
                pass
            self.accelerator.wait_for_everyone()  # a launcher ends all processes when one ends
        if self.stop.signal is not None:
            raise InterruptedRunError(
                f"stopped at {self.state.images:,} images and saved; run the same command again to resume",
                self.stop.signal,
            )
        return self.folder / "model"

    def train_on(self) -> bool:
        """Train until the budget is spent or a signal arrives. False: training diverged or memory ran out: go on."""
        data, settings = self.recipe.data, self.recipe.training
        captured = self.captured_step() if settings.capture else None
        stream = batches(
            self.images,
            self.sampler(),
            workers=data.workers,
            device=self.accelerator.device,
            note=self.display.note,
        )
        try:
            with closing(stream):
                train_loop(
                    self.model,
                    self.objective,
                    stream,
                    self.optimizers,
                    self.ema,
                    accelerator=self.accelerator,
                    budget=self.budget,
                    schedule=Schedule(settings.lr, settings.warmup_images),
                    state=self.state,
                    augment=partial(augment_batch, domain_aug=data.domain_aug, encoder_warp=data.encoder_warp),
                    monitor=self.monitor(captured),
                    seed=settings.seed,
                    agree=self.agreement,
                    accumulate=settings.accumulate,
                    recompute=settings.recompute or settings.accumulate > 1,  # see `Training.accumulate`
                    captured=captured,
                )
        except NonFiniteLossError as error:
            self.go_back(error)
            return False
        except UnreadableDomainError:
            if self.accelerator.is_main_process:  # another one alone cannot save
                self.save()
            raise
        except Exception as error:
            if not ran_out(error):
                raise
            reason = one_line(error)
        else:
            return True
        self.take_less_memory(reason)  # only now: the error's traceback held the tensors of the step
        return False

    def go_back(self, error: NonFiniteLossError) -> None:
        """Return to the last snapshot, with half the learning rate. All processes do so at the same step.

        Raises:
            SivaeError: the learning rate has been halved `HALVINGS` times before.
        """
        seen, scale = self.state.images, self.state.lr_scale
        self.state = self.snapshot.restore(*self.parts)
        self.state.lr_scale = max(scale / 2, 0.5**HALVINGS)
        if scale <= 0.5**HALVINGS:
            if self.state.images:
                self.save()
            raise SivaeError(advice(error, seen, self.recipe))
        lr = self.recipe.training.lr * self.state.lr_scale
        self.display.note(
            f"{error} at {seen:,} images: back to {self.state.images:,}, with training.lr halved to {lr:g}"
        )

    def sampler(self) -> PairSampler:
        return PairSampler(
            self.images.domains.labels,
            batch=self.recipe.data.batch,
            seed=self.recipe.training.seed,
            rank=self.accelerator.process_index,
            processes=self.accelerator.num_processes,
            start=self.state.step,
        )

    def captured_step(self) -> CapturedStep:
        parts = (self.model, self.objective, self.optimizers, self.ema, self.accelerator)
        return CapturedStep(*parts, decay=self.recipe.training.ema)

    def monitor(self, captured: CapturedStep | None) -> Monitor:
        first = self.accelerator.is_main_process
        return Monitor(
            self.recipe,
            self.budget,
            self.state,
            self.display,
            LogFiles(self.folder) if first else None,
            lr=lambda: self.optimizers.lr,
            diagnose=partial(self.objective.diagnose, numel=3 * self.recipe.data.size**2),
            asked_to_stop=self.stop.asked,
            draw=partial(self.draw, self.grids()) if first else lambda images: None,
            save=self.save,
            require_finite=captured.require_finite if captured else lambda: None,
            slowest=lambda seconds: self.agreement.largest(seconds)[0],
            average=self.agreement.mean,
            report=self.report,
            checkpoints=CHECKPOINTS if self.held else 0,
            track=self.trackers.write,
        )

    def draw(self, grids: Grids, images: int) -> None:
        self.trackers.show(grids.write(self.averaged, images), images)

    def grids(self) -> Grids:
        """Sample grids of a fixed batch, the first of a sampler with seed 0."""
        keys = PairSampler(self.images.domains.labels, batch=2 * COLUMNS, seed=0).keys(0)
        pixels, domains = collate([self.images.unaugmented(row) for row, _ in keys])
        device = self.accelerator.device
        batch = Batch(pixels.to(device).float() / 255, domains.to(device))
        return Grids(batch, self.folder / "samples", self.recipe.training.seed)

    @property
    def averaged(self) -> Autoencoder:
        """The model with the moving average of the weights."""
        model: Autoencoder = self.ema.module  # type: ignore[assignment]
        return model

    def save(self) -> None:
        """Write `state/`, to resume from, and `model/`, the moving average with refitted style priors.

        Every process keeps a snapshot, to which all can go back; the first one writes.
        """
        self.snapshot = Snapshot(*self.parts, self.state)
        if self.accelerator.is_main_process:
            self.states.save(*self.parts, self.state, self.images.fingerprint())
            model = copy.deepcopy(self.averaged)
            refit_style_prior(model, self.images, self.recipe.data.batch)
            save_model(self.folder / "model", model, self.recipe.model, self.images.frame)
            if self.choice is not None:
                self.choice(model, self.state, last=self.budget.progress(self.state) >= 1)

    def take_less_memory(self, reason: str) -> None:
        """Return to the last snapshot, and compute each step in more slices, which changes nothing that is learnt.

        Raises:
            SivaeError: a slice is a single pair already, or other processes wait for this one in the middle of a step.
        """
        for adam in self.optimizers.adam.values():
            adam.zero_grad()
        free_memory()
        slices = more_slices(self.recipe, self.accelerator.num_processes)
        if slices is None or self.accelerator.num_processes > 1:
            raise memory_error(reason, self.state.images, slices, saved=bool(self.state.images) and self.save_state())
        seen, self.state = self.state.images, self.snapshot.restore(*self.parts)
        back = f", back to {self.state.images:,} images" if seen > self.state.images else ""
        self.display.note(
            f"memory ran out ({reason}): training.accumulate is now {slices}, for the same results in less memory and "
            f"more time{back}"
        )
        self.recipe = self.recipe.override({"training.accumulate": slices, "training.capture": False})
        with writing(self.folder):
            write_recipe(self.folder / "recipe.toml", self.recipe)

    def save_state(self) -> bool:
        """Whether this process has written `state/` alone, which needs little memory beyond that of the run.

        The state is that of the broken step: the phases before the one that ran out have updated their parts.
        """
        if self.accelerator.is_main_process:
            with suppress(RuntimeError, MemoryError, SivaeError):
                self.states.save(*self.parts, self.state, self.images.fingerprint())
                return True
        return False


def advice(error: NonFiniteLossError, images: int, recipe: Recipe) -> str:
    beta_neg = recipe.objective.get("beta_neg")
    other = f", or raise objective.beta_neg (now {beta_neg:g}) in another --out" if beta_neg else ""
    return (
        f"{error} at {images:,} images, also at {0.5**HALVINGS:g} of the learning rate: lower training.lr (now "
        f"{recipe.training.lr:g}) with --set and --allow-changed{other}"
    )
