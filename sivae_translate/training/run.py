"""A run, from a folder of domains to a trained model: the parts of training, connected."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, set_seed
from filelock import FileLock, Timeout

from sivae_translate import checkpoint
from sivae_translate.data.augment import Augment
from sivae_translate.data.batches import Images, PairSampler, batches, collate
from sivae_translate.data.domains import Domains, find_domains
from sivae_translate.data.images import Frame
from sivae_translate.data.listing import account
from sivae_translate.device import pick_device
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.models import MODELS, Autoencoder
from sivae_translate.models.growing import check_growth, grow
from sivae_translate.models.pretrained import build_model, load_model, model_directory, save_model
from sivae_translate.progress import Display, Silent
from sivae_translate.recipe import Recipe, choose_recipe, difference, dump_recipe, load_recipe
from sivae_translate.training.augment import augment_batch
from sivae_translate.training.autoconfig import resolve
from sivae_translate.training.checkpointing import load_state, save_state
from sivae_translate.training.constructors import build_objective, check_model, complete
from sivae_translate.training.grids import COLUMNS, Grids
from sivae_translate.training.log import LogFiles
from sivae_translate.training.loop import train_loop
from sivae_translate.training.monitor import Monitor
from sivae_translate.training.optimizers import NonFiniteLossError, Optimizers, moving_average
from sivae_translate.training.prior_refit import refit_style_prior
from sivae_translate.training.processes import new_accelerator
from sivae_translate.training.state import Budget, Schedule, State
from sivae_translate.training.stop import Stop
from sivae_translate.types import Batch, Objective


class InterruptedRunError(SivaeError):
    """A signal has stopped the run, which is saved. `exit_code` is 128 plus the signal's number, as in shells."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


def configure(
    recipe: Recipe | str | Path, overrides: Sequence[str], domains: Domains, device: str, run: Path
) -> tuple[Recipe, Objective, list[str]]:
    """The complete recipe of a run, its objective, and notes on the selected recipe and on automatic settings.

    Args:
        recipe, overrides: as in `train`.
        device: where training will run.
        run: the run's directory. A saved run in this directory determines the automatic settings.

    Raises:
        UsageError: an unknown recipe, model, objective or key, an impossible value, or no budget.
    """
    notes = []
    if isinstance(recipe, Recipe):
        recipe = recipe.override(overrides)
    else:
        chosen, reason = choose_recipe(recipe, len(domains.names) if domains.labelled else 0)
        notes += [f"recipe {chosen} ({reason})"] if reason else []
        recipe = load_recipe(chosen, overrides)
    recipe, automatic = resolve(recipe, domains, device, saved_recipe(run))
    notes += [f"automatic: {automatic}"] if automatic else []
    check_model(recipe)
    return recipe, build_objective(recipe), notes


def saved_recipe(run: Path) -> Recipe | None:
    """The complete recipe of the run in this directory; None where it has saved nothing yet."""
    return complete(load_recipe(run / "recipe.toml")) if (run / "state").exists() else None


def train(
    domains: str | Path,
    recipe: Recipe | str | Path = "style",
    out: str | Path = "runs/train",
    *,
    set: tuple[str, ...] | list[str] = (),
    grow: str | Path | None = None,
    device: str = "auto",
    display: Display | None = None,
) -> Path:
    """Train a translator on a folder of domains. The same call resumes a stopped run.

    Args:
        domains: folder with a sub-folder of images per domain, or with images alone.
        recipe: name of a built-in recipe, a TOML file, or a Recipe.
        out: the run's directory: `recipe.toml`, `log.jsonl`, `results.csv`, `samples/`, `state/`, `model/`.
        set: overrides of the recipe, such as "training.minutes=10".
        grow: a run or model of the same recipe at half the size, whose weights initialise this one; see
            `models.growing`.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps". Under a launcher each process uses its own GPU.
        display: shows progress and notes.

    Returns:
        The directory of the trained model, for `Translator.from_pretrained`.

    Raises:
        UsageError: a folder, recipe or setting is wrong; no file of an earlier run has changed.
        InterruptedRunError: a signal stopped the run, which has saved itself.
        SivaeError: the run could not go on; its last checkpoint, if any, is whole.
    """
    device, found = pick_device(device), find_domains(domains)
    recipe, objective, notes = configure(recipe, set, found, device, Path(out))
    smaller = None if grow is None else smaller_model(Path(grow), recipe)
    run = prepare_directory(Path(out), Path(domains))
    accelerator = new_accelerator(device, recipe.training.precision)
    lock = FileLock(run / ".lock", timeout=0)
    if accelerator.is_main_process:
        try:
            lock.acquire()
        except Timeout:
            raise UsageError(f"another process is training in {run}: choose another folder with --out") from None
    try:
        display = display or Silent()
        for note in notes if accelerator.is_main_process else ():
            display.note(note)
        return Run(run, recipe, objective, found, smaller, accelerator, display).train()
    except OSError as error:  # of the recipe, the log or the sample grids; the last checkpoint is complete
        raise SivaeError(f"cannot write to {run} ({error.strerror or error}): mend that and run it again") from None
    finally:
        lock.release()


def smaller_model(path: Path, recipe: Recipe) -> Autoencoder:
    """The model to grow from. Raises UsageError where its weights cannot initialise a run of this recipe."""
    model, *_ = load_model(model_directory(path))
    try:
        check_growth(model, MODELS[recipe.model["name"]], recipe.data.size)
    except ValueError as error:
        raise UsageError(
            f"{path} cannot grow into this model: {error}; expected a run of this recipe with "
            f"--set data.size={recipe.data.size // 2}"
        ) from None
    return model


def prepare_directory(run: Path, domains: Path) -> Path:
    """Create the run's directory, and delete temporary files of a killed run.

    Raises:
        UsageError: a directory among the images, a file, or a directory that cannot be written.
    """
    if domains.resolve() in (run.resolve(), *run.resolve().parents):
        raise UsageError(f"{run} is among the images of {domains}: choose another folder with --out")
    if run.exists() and not run.is_dir():
        raise UsageError(f"{run} is a file: expected a folder for the run; choose another with --out")
    try:
        run.mkdir(parents=True, exist_ok=True)
        checkpoint.sweep(run)
        (run / ".lock").touch()
    except OSError as error:
        raise UsageError(f"cannot write to {run} ({error.strerror}): choose another folder with --out") from None
    return run


class Run:
    """One run: data, model, optimizers and state, and the files in its directory."""

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        objective: Objective,
        domains: Domains,
        smaller: Autoencoder | None,
        accelerator: Accelerator,
        display: Display,
    ) -> None:
        data, settings = recipe.data, recipe.training
        self.folder, self.recipe, self.accelerator = folder, recipe, accelerator
        self.display = display if accelerator.is_main_process else Silent()
        check_same_recipe(folder, recipe)
        self.objective = objective
        self.frame = Frame(data.size, data.fit, data.background_rgb)
        self.images = self.read_images(domains)
        set_seed(settings.seed)
        self.model: Autoencoder = build_model(recipe.model, self.images.domains.names, data.size)
        if smaller is not None and not (folder / "state").exists():
            self.grow(smaller)
        self.model.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        broadcast(list(self.model.parameters()))
        self.optimizers = Optimizers(self.model, accelerator, lr=settings.lr, betas=settings.betas, clip=settings.clip)
        self.ema = moving_average(self.model, settings.ema)
        self.state = self.resume()
        self.write_recipe()  # only now: a state that cannot be resumed leaves its recipe as it is
        self.stop = Stop(accelerator)

    def read_images(self, domains: Domains) -> Images:
        """All images in the frame; those of a folder without sub-folders in pseudo-domains."""

        def progress(done: int, total: int) -> None:
            self.display.step(done / total, f"reading {done:,} of {total:,} images")

        images = Images(domains, self.frame, Augment(self.frame.size, self.recipe.data.augment), progress)
        for line in (*images.domains.notes, *account(images.domains.left_out)):
            self.display.note(line)
        names = images.domains.names
        self.display.note(f"{len(images):,} images in {len(names):,} domain{'s' if len(names) > 1 else ''}")
        if not images.domains.labelled and self.recipe.model["name"] == "style":
            images.assign_pseudo_domains(self.recipe.training.seed)
            found = len(images.domains.names)
            self.display.note(f"no sub-folders: clustered by colour into {found:,} pseudo-domains")
        return images

    def grow(self, smaller: Autoencoder) -> None:
        try:
            fraction = grow(self.model, smaller)
        except ValueError as error:
            raise UsageError(
                f"the smaller run cannot grow into this one: {error}; expected the same --domains"
            ) from None
        self.display.note(f"begins with {fraction:.0%} of its weights from {smaller.size} px")

    def resume(self) -> State:
        """The progress of the run in the folder, its state loaded; none for a new run."""
        saved = self.folder / "state"
        if not saved.exists():
            return State()
        state = load_state(saved, self.model, self.ema, self.optimizers)
        self.display.note(f"resuming at {state.images:,} images")
        return state

    def write_recipe(self) -> None:
        path, text = self.folder / "recipe.toml", dump_recipe(self.recipe)
        if self.accelerator.is_main_process and not (path.exists() and path.read_text() == text):
            checkpoint.write_text_atomic(path, text)

    def train(self) -> Path:
        data, settings, state = self.recipe.data, self.recipe.training, self.state
        budget = Budget(settings.images, settings.minutes)
        if budget.progress(state) >= 1:
            self.display.note(f"already trained: {state.images:,} images seen; raise its budget to train further")
        device = self.accelerator.device
        try:
            with self.stop.listening():
                train_loop(
                    self.model,
                    self.objective,
                    batches(self.images, self.sampler(), workers=data.workers, device=device),
                    self.optimizers,
                    self.ema,
                    accelerator=self.accelerator,
                    budget=budget,
                    schedule=Schedule(settings.lr, settings.warmup_images),
                    state=state,
                    augment=partial(augment_batch, domain_aug=data.domain_aug, encoder_warp=data.encoder_warp),
                    monitor=self.monitor(budget),
                    seed=settings.seed,
                )
                self.accelerator.wait_for_everyone()  # a launcher ends all processes when one ends
        except NonFiniteLossError as error:
            raise SivaeError(advice(error, state, self.recipe)) from None
        if self.stop.signal is not None:
            raise InterruptedRunError(
                f"stopped at {state.images:,} images and saved; run the same command again to resume", self.stop.signal
            )
        return self.folder / "model"

    def sampler(self) -> PairSampler:
        return PairSampler(
            self.images.domains.labels,
            batch=self.recipe.data.batch,
            seed=self.recipe.training.seed,
            rank=self.accelerator.process_index,
            start=self.state.step,
        )

    def monitor(self, budget: Budget) -> Monitor:
        first = self.accelerator.is_main_process
        return Monitor(
            self.recipe,
            budget,
            self.state,
            self.display,
            LogFiles(self.folder) if first else None,
            lr=lambda: self.optimizers.lr,
            diagnose=partial(self.objective.diagnose, numel=3 * self.recipe.data.size**2),
            asked_to_stop=self.stop.asked,
            draw=partial(self.grids().write, self.averaged) if first else lambda images: None,
            save=self.save if first else lambda: None,
        )

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
        """Write `state/`, to resume from, and `model/`, the moving average with refitted style priors."""
        save_state(self.folder / "state", self.model, self.ema, self.optimizers, self.state)
        model = copy.deepcopy(self.averaged)
        refit_style_prior(model, self.images, self.recipe.data.batch)
        save_model(self.folder / "model", model, self.recipe.model, self.frame)


def check_same_recipe(run: Path, recipe: Recipe) -> None:
    """Raise UsageError where a saved run has another recipe. Budget, log, saving and sampling may differ."""
    begun = saved_recipe(run)
    if begun is None:
        return
    free = tuple(f"training.{name}:" for name in ("images", "minutes", "save_minutes", "log_every", "samples"))
    changed = [line for line in difference(begun, recipe) if not line.startswith(free)]
    if changed:
        raise UsageError(
            f"{run} holds a run of another recipe ({'; '.join(changed[:5])}): "
            f"expected the same to resume; choose another folder with --out"
        )


def advice(error: NonFiniteLossError, state: State, recipe: Recipe) -> str:
    beta_neg = recipe.objective.get("beta_neg")
    fix = f"raise objective.beta_neg (now {beta_neg:g}) or " if beta_neg else ""
    return (
        f"{error} at {state.images:,} images, and its phase updated nothing: {fix}lower training.lr "
        f"(now {recipe.training.lr:g}) with --set, and start again in another --out"
    )
