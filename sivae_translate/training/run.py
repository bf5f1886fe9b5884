"""A run, from a folder of domains to a trained model: the only place that wires everything together."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast, set_seed
from filelock import FileLock, Timeout

from sivae_translate import checkpoint
from sivae_translate.data.batches import Images, PairSampler, batches, collate
from sivae_translate.data.domains import Domains, find_domains, shown
from sivae_translate.data.transforms import Augment
from sivae_translate.errors import SivaeError, UsageError, did_you_mean
from sivae_translate.models import MODELS, Autoencoder
from sivae_translate.models.pretrained import Frame, build_model, save_model
from sivae_translate.objectives import OBJECTIVES, Objective
from sivae_translate.recipe import Recipe, bind, build, difference, dump_recipe, load_recipe
from sivae_translate.training.augment import recolour
from sivae_translate.training.grids import COLUMNS, Grids
from sivae_translate.training.log import LogFiles, Means, Screen, Silent, health
from sivae_translate.training.loop import NonFiniteLossError, Players, Terms, moving_average
from sivae_translate.training.loop import train as play
from sivae_translate.training.state import Budget, Schedule, State
from sivae_translate.types import Batch


class InterruptedRunError(SivaeError):
    """The run was asked to stop; it has saved itself. `exit_code` is 128 plus the signal, as shells expect."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


def resolve(recipe: Recipe) -> Recipe:
    """The recipe with every default of its model and objective filled in.

    Raises:
        UsageError: an unknown model, objective or setting, an ill-typed or impossible value, or no budget at all.
    """
    recipe = replace(
        recipe,
        model=named("model", MODELS, recipe.model, ("domains", "size")),
        objective=named("objective", OBJECTIVES, recipe.objective),
    )
    build_objective(recipe)
    with torch.device("meta"):
        build("model", MODELS[recipe.model["name"]], recipe.model, domains=("a",), size=recipe.data.size)
    recipe.training.require_end()
    return recipe


def named(
    section: str, table: Mapping[str, Any], settings: dict[str, Any], given: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A section's settings with all defaults of the class that its name stands for in the table."""
    name = str(settings.get("name"))
    if name not in table:
        raise UsageError(f"{section}.name = {name!r}: no such {section}; {did_you_mean(name, list(table))}")
    return {"name": name, **bind(section, table[name], settings, given=given)}


def build_objective(recipe: Recipe) -> Objective:
    objective: Objective = build("objective", OBJECTIVES[recipe.objective["name"]], recipe.objective)  # type: ignore[assignment]
    return objective


def pick_device(device: str) -> str:
    """ "auto", "cpu", "cuda", "cuda:1", "mps" -> the device to use. Raises UsageError where it is not there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = device.partition(":")
    present = {
        "cpu": not index,
        "cuda": torch.cuda.is_available() and (not index or index in map(str, range(torch.cuda.device_count()))),
        "mps": torch.backends.mps.is_available() and not index,
    }
    if not present.get(kind):
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise UsageError(f"device {device!r} is not there: expected one of auto, {', '.join(there)}")
    return device


def pick_precision(precision: str, device: str) -> str:
    """ "auto" -> bf16 where the device computes in it, else fp32; in Accelerate's words."""
    if precision == "auto":
        native = torch.cuda.is_bf16_supported() if device.startswith("cuda") else _cpu_has_bf16() and device == "cpu"
        precision = "bf16" if native else "fp32"
    if precision == "fp16" and not device.startswith("cuda"):
        raise UsageError(f"training.precision = 'fp16' on {device}: expected a GPU; use bf16, fp32 or auto")
    return "no" if precision == "fp32" else precision


def _cpu_has_bf16() -> bool:
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def train(
    domains: str | Path,
    recipe: Recipe | str | Path = "style",
    out: str | Path = "runs/train",
    *,
    set: tuple[str, ...] | list[str] = (),
    device: str = "auto",
    screen: Screen | None = None,
) -> Path:
    """Train a translator on a folder of domains; the same call again resumes a run that was stopped.

    Args:
        domains: folder of one sub-folder of images per domain, or of bare images.
        recipe: name of a built-in recipe, a TOML file, or a Recipe.
        out: the run's directory: `recipe.toml`, `log.jsonl`, `results.csv`, `samples/`, `state/`, `model/`.
        set: overrides such as "training.minutes=10".
        device: "auto", "cpu", "cuda", "cuda:1" or "mps"; several processes take their own under a launcher.
        screen: is told how it goes.

    Returns:
        The directory of the trained model, for `Translator.from_pretrained`.

    Raises:
        UsageError: a folder, recipe or setting is wrong; nothing has been written.
        SivaeError: the run could not go on; what it had learnt is saved.
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe, set)
    recipe, device = resolve(recipe), pick_device(device)
    precision = pick_precision(recipe.training.precision, device)
    found = find_domains(domains)
    run = prepare_directory(Path(out), Path(domains))
    accelerator = new_accelerator(device, precision)
    lock = FileLock(run / ".lock", timeout=0)
    if accelerator.is_main_process:
        try:
            lock.acquire()
        except Timeout:
            raise UsageError(f"another process is training in {run}: choose another folder with --out") from None
    try:
        return Run(run, recipe, found, accelerator, screen or Silent()).train()
    finally:
        lock.release()


def new_accelerator(device: str, precision: str) -> Accelerator:
    """An Accelerator of its own: what an earlier run in this process chose is forgotten, but not its process group."""
    if device.startswith("cuda:"):
        torch.cuda.set_device(device)
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    return Accelerator(mixed_precision=precision, cpu=device == "cpu")


def prepare_directory(run: Path, domains: Path) -> Path:
    """The run's directory, outside the domains, made and found writable; stages of a killed run swept away."""
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
    """The parts of one run and what happens between its steps: log, draw, save, stop."""

    def __init__(
        self, folder: Path, recipe: Recipe, domains: Domains, accelerator: Accelerator, screen: Screen
    ) -> None:
        data, settings = recipe.data, recipe.training
        self.folder, self.recipe, self.accelerator = folder, recipe, accelerator
        self.screen = screen if accelerator.is_main_process else Silent()
        self.check_same_recipe()
        self.frame = Frame(data.size, data.fit, data.background_rgb)
        self.images = self.decode(domains)
        set_seed(settings.seed)
        self.model: Autoencoder = build_model(recipe.model, self.images.domains.names, data.size)
        self.model.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        broadcast(list(self.model.parameters()))
        self.objective = build_objective(recipe)
        self.players = Players(self.model, accelerator, lr=settings.lr, betas=settings.betas)
        self.average = moving_average(self.model, settings.ema)
        self.state = self.resume()
        self.budget = Budget(settings.images, settings.minutes)
        self.grids = Grids(self.show_batch(), folder / "samples", settings.seed)
        self.log, self.means = LogFiles(folder), Means()
        self.stop: int | None = None  # the signal that asked for it
        self.logged_at, self.logged_images = time.monotonic(), self.state.images
        self.saved_at = time.monotonic()
        self.drawn = int(self.budget.progress(self.state) * settings.samples)

    def decode(self, domains: Domains) -> Images:
        data = self.recipe.data
        augment = Augment(data.size, flip=data.flip, crop=data.crop)

        def progress(done: int, total: int) -> None:
            self.screen.step(done / total, f"reading {done:,} of {total:,} images")

        images = Images(domains, data.size, self.frame.fit, self.frame.background, augment, progress)
        for bad in images.domains.bad:
            self.screen.note(f"left out {shown(bad.path)}: {bad.reason}")
        names = images.domains.names
        self.screen.note(f"{len(images):,} images in {len(names):,} domain{'s' if len(names) > 1 else ''}")
        return images

    def show_batch(self) -> Batch:
        """A fixed batch for the grids: the first images of the first domains, without augmentation's chance."""
        sampler = PairSampler(
            self.images.domains.labels, labelled=self.images.domains.labelled, batch=2 * COLUMNS, seed=0
        )
        pixels, labels = collate([self.images[key] for key in sampler.keys(0)])
        device = self.accelerator.device
        return Batch(pixels.to(device).float() / 255, labels.to(device))

    def train(self) -> Path:
        settings, rank = self.recipe.training, self.accelerator.process_index
        if self.budget.progress(self.state) >= 1:
            self.screen.note(f"already trained: {self.state.images:,} images seen; raise its budget to go on")
        sampler = PairSampler(
            self.images.domains.labels,
            labelled=self.images.domains.labelled,
            batch=self.recipe.data.batch,
            seed=settings.seed,
            rank=rank,
            start=self.state.step,
        )
        device = self.accelerator.device
        with self.signals():
            try:
                play(
                    self.model,
                    self.objective,
                    batches(self.images, sampler, workers=self.recipe.data.workers, device=device),
                    self.players,
                    self.average,
                    accelerator=self.accelerator,
                    budget=self.budget,
                    schedule=Schedule(settings.lr, settings.warmup_images),
                    state=self.state,
                    augment=partial(self.augment, chance=self.recipe.data.hue),
                    watch=self.watch,
                    seed=settings.seed,
                )
            except NonFiniteLossError as error:
                raise SivaeError(self.advice(error)) from None
            except OSError as error:  # of the log or the pictures; the last checkpoint is whole
                reason = error.strerror or error
                raise SivaeError(f"cannot write to {self.folder} ({reason}): mend that and run it again") from None
        if self.stop is not None:
            raise InterruptedRunError(
                f"stopped at {self.state.images:,} images and saved; run the same command again to go on", self.stop
            )
        return self.folder / "model"

    @staticmethod
    def augment(batch: Batch, generator: torch.Generator, chance: float) -> Batch:
        return recolour(batch, chance, generator)

    def advice(self, error: Exception) -> str:
        beta_neg = self.recipe.objective.get("beta_neg")
        fix = f"raise objective.beta_neg (now {beta_neg:g}) or " if beta_neg else ""
        return (
            f"{error} at {self.state.images:,} images, before any weight was touched: {fix}lower training.lr "
            f"(now {self.recipe.training.lr:g}) with --set, and start again in another --out"
        )

    # Between steps

    def watch(self, state: State, progress: float, terms: Terms) -> bool:
        self.means.add(terms)
        stop = self.asked_to_stop()
        last = stop or progress >= 1
        if terms and (last or state.images - self.logged_images >= self.recipe.training.log_every):
            self.write_log(progress)
        if terms and (progress >= 1 or progress * self.recipe.training.samples >= self.drawn + 1):
            self.drawn = int(progress * self.recipe.training.samples)
            if self.accelerator.is_main_process:
                self.grids.write(self.average.module, state.images)
        if last or time.monotonic() - self.saved_at >= 60 * self.recipe.training.save_minutes:
            self.save()
        return stop

    def asked_to_stop(self) -> bool:
        if self.accelerator.num_processes == 1:
            return self.stop is not None
        asked = self.accelerator.gather(torch.tensor([self.stop or 0], device=self.accelerator.device))
        self.stop = int(asked.max()) or None
        return self.stop is not None

    def write_log(self, progress: float) -> None:
        now, state, terms = time.monotonic(), self.state, self.means.take()
        pace = (state.images - self.logged_images) / (now - self.logged_at)
        self.logged_at, self.logged_images = now, state.images
        if not self.accelerator.is_main_process:
            return
        row = {"images": state.images, "seconds": state.seconds, "lr": self.players.lr, "images_per_s": pace, **terms}
        self.log.write(row)
        left = self.budget.seconds_left(state)
        shown_terms = " ".join(f"{name} {value:.3g}" for name, value in terms.items())
        clock = f"{int(left // 60)}:{int(left % 60):02d} left"
        self.screen.step(progress, f"{state.images:,} images  {pace:,.0f}/s  {clock}  {shown_terms}")
        if isinstance(advice := self.advise(terms), str):
            self.screen.note(advice)

    def advise(self, terms: dict[str, float]) -> str | None:
        game = self.recipe.objective
        return health(terms, game["alpha"], game["beta_neg"]) if "beta_neg" in game else None

    # What lasts

    def check_same_recipe(self) -> None:
        """Refuse to go on with another recipe than the run was begun with; its budget may grow."""
        path = self.folder / "recipe.toml"
        if not (self.folder / "state").exists():
            return
        changed = [
            line
            for line in difference(resolve(load_recipe(path)), self.recipe)
            if not line.startswith(("training.images:", "training.minutes:", "training.save_minutes:"))
        ]
        if changed:
            raise UsageError(
                f"{self.folder} holds a run of another recipe ({'; '.join(changed[:5])}): "
                f"expected the same to go on; choose another folder with --out"
            )

    def resume(self) -> State:
        folder = self.folder / "state"
        if not folder.exists():
            if self.accelerator.is_main_process:
                checkpoint.write_text_atomic(self.folder / "recipe.toml", dump_recipe(self.recipe))
            return State()
        tensors, meta = checkpoint.load(folder, ["model", "average", "encoder", "decoder"], ["trainer"])
        trainer = meta["trainer"]
        if trainer["domains"] != list(self.model.domains):
            raise UsageError(
                f"{self.folder} was trained on {len(trainer['domains'])} domains, now there are "
                f"{len(self.model.domains)} or their names differ: expected the same folder; choose another --out"
            )
        checkpoint.load_into(self.model, tensors["model"], f"{folder} (model)")
        checkpoint.load_into(self.average.module, tensors["average"], f"{folder} (average)")
        self.average.n_averaged.fill_(trainer["averaged"])
        for name, optimizer in self.players.optimizers.items():
            optimizer.load_state_dict(checkpoint.unflatten_optimizer(tensors[name], trainer["optimizers"][name]))
            for parameter, values in optimizer.state.items():  # in its memory layout: fused Adam relies on it
                like = {key: value for key, value in values.items() if value.shape == parameter.shape}
                values.update({key: torch.empty_like(parameter).copy_(value) for key, value in like.items()})
        state = State(**trainer["state"])
        self.screen.note(f"resuming at {state.images:,} images")
        return state

    def save(self) -> None:
        """`state/` to go on from here, `model/` (the moving average) to use."""
        self.saved_at = time.monotonic()
        if not self.accelerator.is_main_process:
            return
        tensors = {"model": self.model.state_dict(), "average": self.average.module.state_dict()}
        optimizers = {}
        for name, optimizer in self.players.optimizers.items():
            tensors[name], optimizers[name] = checkpoint.flatten_optimizer(optimizer.state_dict())
        trainer = {
            "state": asdict(self.state),
            "averaged": int(self.average.n_averaged),
            "optimizers": optimizers,
            "domains": list(self.model.domains),
        }
        checkpoint.save(self.folder / "state", tensors, {"trainer": trainer})
        save_model(self.folder / "model", self.average.module, self.recipe.model, self.frame)  # type: ignore[arg-type]

    @contextmanager
    def signals(self) -> Iterator[None]:
        """The first Ctrl-C, SIGTERM or SIGHUP asks to stop after the step at hand; a second one stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(number: int, frame: Any) -> None:
            if self.stop is not None:
                raise KeyboardInterrupt
            self.stop = number

        watched = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
        heeded = [number for number in watched if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores one
        before = {number: signal.signal(number, ask) for number in heeded}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
