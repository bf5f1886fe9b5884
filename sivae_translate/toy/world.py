"""A run in the plane: model, stream of points, and the training loop of the package."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn

from sivae_translate.models.autoencoder import Autoencoder, standard_normal
from sivae_translate.models.encoder import GaussianHead
from sivae_translate.toy.datasets import Dataset
from sivae_translate.toy.settings import Settings
from sivae_translate.training.loop import Terms, train_loop
from sivae_translate.training.optimizers import Optimizers, moving_average
from sivae_translate.training.processes import new_accelerator
from sivae_translate.training.state import Budget, Schedule, State
from sivae_translate.types import Batch, Code, Posterior

WIDTH, LAYERS, LATENT = 256, 3, 2

Monitor = Callable[["PlaneAutoencoder", State, float], None]


class PlaneAutoencoder(Autoencoder):
    """MLPs for points, which are images of two values: 3 x 256 ReLU units each, 2 latents of learned variance."""

    def __init__(self) -> None:
        super().__init__()
        self.domains = ("plane",)
        self.encoder = perceptron(2, GaussianHead(nn.Linear(WIDTH, 2 * LATENT), learned_variance=True))
        self.decoder = perceptron(LATENT, nn.Linear(WIDTH, 2))

    def features(self, x: Tensor) -> dict[int, Tensor]:
        """Points `[B, 2]` -> the last hidden layer, `[B, 256]`, as features of resolution 1."""
        return {1: self.encoder[:-1](x)}

    def posterior(self, features: dict[int, Tensor]) -> Posterior:
        """q(z | x), content `[B, 2]`."""
        return Posterior(self.encoder[-1](features[1]))

    def decode(self, code: Code) -> Tensor:
        """Code -> points `[B, 2]`."""
        points: Tensor = self.decoder(code.content)
        return points

    def prior(self, domains: Tensor) -> Posterior:
        """N(0, I) for every point, `domains` int64 `[B]`."""
        return Posterior(standard_normal(torch.zeros(len(domains), LATENT)))


def perceptron(inputs: int, last: nn.Module) -> nn.Sequential:
    """An MLP from `inputs` values through `LAYERS` hidden layers to the layer `last`."""
    widths = pairwise([inputs] + [WIDTH] * LAYERS)
    return nn.Sequential(*(part for a, b in widths for part in (nn.Linear(a, b), nn.ReLU())), last)


def batches(dataset: Dataset, size: int, seed: int) -> Iterator[Batch]:
    """An endless stream of new samples of a distribution, in one domain."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield Batch(dataset.sample(size, generator), torch.zeros(size, dtype=torch.int64))


def train(settings: Settings, monitor: Monitor) -> PlaneAutoencoder:
    """Train on new samples, and return the moving average of the model.

    Args:
        monitor: called before every step and once at the end with (moving average, state, progress in [0, 1]).

    Raises:
        NonFiniteLossError: a loss became NaN or infinite.
    """
    training = settings.training
    torch.manual_seed(training.seed)
    model, accelerator = PlaneAutoencoder(), new_accelerator("cpu", "fp32")
    ema = moving_average(model, training.ema)

    def call_monitor(state: State, progress: float, terms: Terms) -> bool:
        monitor(ema.module, state, progress)  # type: ignore[arg-type]
        return False

    with one_thread():
        train_loop(
            model,
            settings.objective,
            batches(settings.dataset, training.batch, training.seed),
            Optimizers(model, accelerator, lr=training.lr, betas=training.betas),
            ema,
            accelerator=accelerator,
            budget=Budget(images=training.steps * training.batch, minutes=0),
            schedule=Schedule(training.lr, warmup_images=0),
            state=State(),
            augment=lambda batch, *_: batch,
            monitor=call_monitor,
            seed=training.seed,
        )
    return ema.module  # type: ignore[return-value]


@contextmanager
def one_thread() -> Iterator[None]:
    """A single thread in the block: small matrices need no more, and a seed then gives the same values everywhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
