"""`state/`: the state of a run, from which training resumes bit for bit, and `state-before/`, the one before it."""

from __future__ import annotations

import itertools
import os
import shutil
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from torch.optim.swa_utils import AveragedModel

from sivae_translate import checkpoint
from sivae_translate.atomic import MANIFEST, atomic_directory, is_ours, read_manifest
from sivae_translate.data.batches import Fingerprint
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.models import Autoencoder
from sivae_translate.training.optimizers import Optimizers
from sivae_translate.training.parts import TENSORS, load_tensors, to_tensors
from sivae_translate.training.state import State
from sivae_translate.training.trainer_file import FORMAT, NAMES, SavedImages, read_trainer


class States:
    """The states of a run. The one before the last is kept, since files can be damaged after they were written."""

    def __init__(self, run: Path) -> None:
        self.newest, self.before = (run / name for name in NAMES)
        self.whole = False  # whether the newest is known to be whole, so that it may replace the one before

    def exist(self) -> bool:
        """Whether the run has saved a state."""
        return self.newest.is_dir() or self.before.is_dir()

    def save(
        self,
        model: Autoencoder,
        ema: AveragedModel,
        optimizers: Optimizers,
        state: State,
        images: Fingerprint | None = None,
    ) -> None:
        """Write a state; see `save_state`. The newest one becomes the one before. At every instant one is whole.

        Files of others, such as notes, are kept. Where the one before cannot be replaced, it stays as it is.

        Raises:
            SivaeError: the state cannot be written; the newest one is kept.
        """
        try:
            if self.whole:
                with suppress(OSError, SivaeError):  # the state before is a spare, which training can do without
                    self._copy_newest()
            set_aside_other(self.newest)
            save_state(self.newest, model, ema, optimizers, state, images)
        except OSError as error:
            raise SivaeError(f"{self.newest}: not saved: {error.strerror or error}") from error
        self.whole = True

    def _copy_newest(self) -> None:
        """Replace the state before by the newest one, which stays in its place. Raises OSError or SivaeError."""
        set_aside_other(self.before)
        files = read_manifest(self.newest)
        names = [path.name for path in self.newest.iterdir() if path.is_file()] if files is None else [MANIFEST, *files]
        with atomic_directory(self.before) as temporary:
            for name in names:
                link_or_copy(self.newest / name, temporary / name)

    def load(
        self, model: Autoencoder, ema: AveragedModel, optimizers: Optimizers, images: Fingerprint | None = None
    ) -> tuple[State, str]:
        """Load the newest whole state, and return the progress and why it is not the newest one, "" if it is.

        Raises:
            UsageError: as in `load_state`.
            SivaeError: no state is whole, or one may not be read.
        """
        reasons = []
        for folder in (self.newest, self.before):
            if not folder.is_dir():
                reasons.append(f"{folder} is missing")
                continue
            try:
                state = load_state(folder, model, ema, optimizers, images)
            except UsageError:
                raise
            except SivaeError as error:
                if isinstance(error.__cause__, PermissionError):
                    raise
                reasons.append(str(error))
                continue
            self.whole = folder == self.newest
            return state, "" if self.whole else reasons[0]
        raise SivaeError(
            f"no state can be resumed ({'; '.join(reasons)}): restore one of both, or choose another --out"
        )


def set_aside_other(path: Path) -> None:
    """Rename what is no whole checkpoint of ours, such as a state without its manifest, to a free name.

    Raises:
        OSError: it cannot be renamed.
    """
    if not os.path.lexists(path) or is_ours(path):
        return
    names = (path.with_name(f"{path.name}-aside-{n}") for n in itertools.count(1))
    os.rename(path, next(name for name in names if not os.path.lexists(name)))


def link_or_copy(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where the file system has no links. Raises OSError."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def save_state(
    folder: Path,
    model: Autoencoder,
    ema: AveragedModel,
    optimizers: Optimizers,
    state: State,
    images: Fingerprint | None = None,
) -> None:
    """Write the weights, their moving average, both optimizers and the progress, atomically.

    There is no random state to save, as the seed of a step is (seed, images seen).

    Args:
        images: the content of the training set, which a resumed run must have too.
    """
    tensors, values = to_tensors(model, ema, optimizers)
    trainer = {
        "format": FORMAT,
        "state": asdict(state),
        **values,
        "domains": list(model.domains),
        "images": images._asdict() if images else None,
    }
    checkpoint.save(folder, tensors, {"trainer": trainer})


def load_state(
    folder: Path,
    model: Autoencoder,
    ema: AveragedModel,
    optimizers: Optimizers,
    images: Fingerprint | None = None,
) -> State:
    """Load a state into the parts of a run, and return the progress.

    Args:
        images: the content of the training set now; None to resume on any images of the same domains.

    Raises:
        UsageError: a state of other domains, of other images or of another format.
        SivaeError: files that are damaged or of another model.
    """
    trainer = read_trainer(folder, checkpoint.load(folder, [], ["trainer"])[1]["trainer"])
    if trainer.domains != list(model.domains):
        raise UsageError(
            f"{folder.parent} was trained on {len(trainer.domains)} domains, now there are {len(model.domains)} or "
            "their names differ: expected the same folder; choose another --out"
        )
    require_same_images(folder.parent, trainer.images, images)
    tensors, _ = checkpoint.load(folder, TENSORS, [])
    load_tensors(tensors, trainer.model_dump(), model, ema, optimizers, str(folder))
    return State(**trainer.state.model_dump())


def require_same_images(run: Path, then: SavedImages | None, now: Fingerprint | None) -> None:
    """Raise UsageError where a state was trained on other images. A state of an earlier version does not tell."""
    if then is None or now is None or Fingerprint(then.images, then.sha256) == now:
        return
    raise UsageError(
        f"{run} was trained on other images ({then.images:,} then, {now.images:,} now): expected the same set; choose "
        "another --out, or go on with --allow-changed"
    )
