"""How time and memory grow with the size of images, batch and networks, and with the number of domains and files.

Each series is a row for each value, beside the row of its first value. A cost is as it should be where its factor is at
most that of the value, or of the pixels for the size of images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from sivae_translate.bench.memory import peak_megabytes
from sivae_translate.bench.ratio import Ratio, in_turn
from sivae_translate.bench.step import our_step
from sivae_translate.data.batches import PairSampler
from sivae_translate.data.domains import find_domains
from sivae_translate.device import pick_precision
from sivae_translate.models import Autoencoder, ConvAutoencoder, StyleAutoencoder
from sivae_translate.training.prior_refit import spread_over_domains
from sivae_translate.types import Gaussian

ROUNDS = 3
SIZES, BATCHES, WIDTHS = (32, 64, 128, 256), (8, 16, 32, 64), (16, 32, 64, 128)
DOMAINS, FILES, IMAGES = (2, 200, 20_000), (1_000, 10_000, 100_000), (1_000, 10_000, 100_000, 1_000_000)
EACH = 8  # images of each domain
BATCH = 32  # of the sampler

Call = Callable[[], object]


def growth_ratios(device: str) -> Iterator[Ratio]:
    """Time and memory of a training step, and the time of what depends on the number of domains or files."""
    yield from steps("pixels on a side", SIZES, lambda size: step(conv(size, 32), 4, device), "batch 4", device)
    yield from steps("images a batch", BATCHES, lambda batch: step(conv(32, 32), batch, device), "32 px", device)
    yield from steps("channels", WIDTHS, lambda width: step(conv(32, width), 8, device), "32 px, batch 8", device)
    yield from steps("domains", DOMAINS, lambda domains: step(style(domains), 8, device), "style, batch 8", device)
    for what, of_domains in OF_DOMAINS.items():
        yield from times(what, "domains", DOMAINS, of_domains, f"{EACH} images each")
    for what, of_images in OF_IMAGES.items():
        yield from times(what, "images", IMAGES, of_images, "simulated, 100 domains")
    with TemporaryDirectory() as folder:
        sets = {files: empty_files(Path(folder, str(files)), files) for files in FILES}
        yield from times("listing", "files", FILES, lambda files: partial(find_domains, sets[files]), "100 domains")


def steps(name: str, values: Sequence[int], make: Callable[[int], Call], detail: str, device: str) -> Iterator[Ratio]:
    """The time and the peak memory of a training step for each value."""
    yield from times("training step", name, values, make, detail)
    used = [peak_megabytes(make(value), device) for value in values]
    yield from growth("memory of a step", name, values, [each for each in used if each is not None], "MB", detail)


def times(what: str, name: str, values: Sequence[int], make: Callable[[int], Call], detail: str) -> Iterator[Ratio]:
    """The milliseconds of a call for each value; the calls take turns."""
    taken = in_turn(*map(make, values), rounds=ROUNDS, skipped=1)
    yield from growth(what, name, values, [1e3 * each for each in taken], "ms", detail)


def growth(
    what: str, name: str, values: Sequence[int], costs: Sequence[float], unit: str, detail: str
) -> Iterator[Ratio]:
    """The cost for each value, in times that for the first one; no cost where it cannot be measured."""
    for value, cost in zip(values, costs, strict=False):
        about = f"{value:,} {name}, {detail}"
        yield Ratio(what, cost, costs[0], unit, f"that of {values[0]:,}", cost / costs[0], detail=about)


def conv(size: int, width: int) -> Autoencoder:
    return ConvAutoencoder(domains=["all"], size=size, width=width, max_width=8 * width)


def style(domains: int) -> StyleAutoencoder:
    return StyleAutoencoder(domains=[str(domain) for domain in range(domains)], size=32, width=32)


def step(model: Autoencoder, rows: int, device: str) -> Call:
    return our_step(model, rows, device, pick_precision("auto", device))


def labels(images: int, domains: int) -> tuple[int, ...]:
    """The sorted labels of a set of equally large domains."""
    return tuple(image * domains // images for image in range(images))


def sampler(images: int, domains: int) -> PairSampler:
    return PairSampler(labels(images, domains), batch=BATCH, seed=0)


def sampled(images: int, domains: int) -> Call:
    """Drawing the keys of a batch."""
    stream = iter(sampler(images, domains))
    return lambda: next(stream)


def prior(domains: int) -> Call:
    """The prior of a batch, with its gradient."""
    model = style(domains)
    batch = torch.arange(BATCH) % domains

    def run() -> None:
        found = model.prior(batch).style
        assert found is not None
        torch.autograd.backward(found.mean.sum())

    return run


def refit(domains: int) -> Call:
    """Refitting the prior to the styles of the images that are selected for it; encoding them is left out."""
    model, every = style(domains), labels(EACH * domains, domains)
    styles = torch.randn(EACH * domains, model.style_size)

    def run() -> None:
        rows = torch.tensor(spread_over_domains(every))
        model.refit_style_prior(torch.tensor(every)[rows], Gaussian(styles[rows], torch.zeros_like(styles[rows])))

    return run


def empty_files(folder: Path, files: int) -> Path:
    """A set of empty images in 100 domains, as a listing does not open them."""
    for domain in range(100):
        (folder / str(domain)).mkdir(parents=True)
        for file in range(files // 100):
            (folder / str(domain) / f"{file}.png").touch()
    return folder


OF_DOMAINS: dict[str, Callable[[int], Call]] = {
    "PairSampler": lambda domains: partial(sampler, EACH * domains, domains),
    "PairSampler, a batch": lambda domains: sampled(EACH * domains, domains),
    "prior of a batch": prior,
    "prior refit": refit,
}
OF_IMAGES: dict[str, Callable[[int], Call]] = {
    "PairSampler": lambda images: partial(sampler, images, 100),
    "PairSampler, a batch": lambda images: sampled(images, 100),
}
