"""Metrics of a model against the distribution of its training data. Values are float64, in nats."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from scipy.spatial import cKDTree
from scipy.special import digamma
from torch import Tensor

from sivae_translate.errors import SivaeError
from sivae_translate.objectives.functional import kl_divergence, squared_error
from sivae_translate.objectives.sampling import sample as draw
from sivae_translate.toy.datasets import Dataset
from sivae_translate.types import Gaussian, Model

SAMPLES = 5000  # of the model and of the data, as in the paper
BINS = 100  # of a histogram along each axis, as in the paper
PSEUDO = 0.01  # added to the count of every bin, so that the KL is finite for empty bins
POOL = 4  # bins along the side of a cell of `coverage`
COVERED = 0.1  # fraction of the data's mass in a cell that a model needs to cover the cell
COLLAPSED = 0.9  # coverage below which a model has collapsed. One of the 8 Gaussians is 0.125
GRID = 200  # points along each axis; 800 change metrics by less than 0.002
REFERENCE, NEIGHBOURS = 20_000, 10  # samples for a density estimate, and k of its k-th nearest neighbour


class NotFiniteError(SivaeError):
    """Samples of the model are NaN or infinite."""


@torch.no_grad()
def sample(model: Model, n: int, generator: torch.Generator) -> Tensor:
    """n samples of the model, D(z) with z ~ N(0, I), `[n, 2]`. Raises NotFiniteError."""
    points: Tensor = model.decode(draw(model.prior(torch.zeros(n, dtype=torch.int64)), generator))
    if not points.isfinite().all():
        raise NotFiniteError("the model draws points that are not finite")
    return points


@torch.no_grad()
def elbo(model: Model, x: Tensor) -> Tensor:
    """-L_r(x, D(mu)) - KL(q(z|x) || N(0, I)) of points `[n, 2]` -> `[n]`, with mu the mean of q(z|x).

    As in the paper's code, both weights are 1, whatever the weights in training, and the code is the posterior's mean.
    """
    q = model.encode(x)
    prior = model.prior(torch.zeros(len(x), dtype=torch.int64)).content
    assert isinstance(prior, Gaussian)
    error, kl = squared_error(x, model.decode(q.mean)), kl_divergence(q.content, prior)
    return -(error.double() + kl.double())


def grid(reach: float) -> Tensor:
    """Centres of `GRID` x `GRID` squares that tile [-reach, reach]^2, `[GRID**2, 2]`, the first coordinate slowest."""
    centres = ((torch.arange(GRID) + 0.5) / GRID * 2 - 1) * reach
    return torch.cartesian_prod(centres, centres)


def log_density(model: Model, x: Tensor, reach: float) -> Tensor:
    """The grid-normalised ELBO, an estimate by the encoder of the log-density of points `[n, 2]` -> `[n]`.

        log p(x) = ELBO(x) - log integral of exp(ELBO) over [-reach, reach]^2, by the midpoint rule on `grid`

    The metric is the mean over points of the data; higher is better. The paper's code divides ELBOs by their sum
    instead, so values do not compare.
    """
    integral = torch.logsumexp(elbo(model, grid(reach)), 0) + 2 * math.log(2 * reach / GRID)
    return elbo(model, x) - integral


def histogram(x: Tensor, reach: float) -> Tensor:
    """Fractions of points `[n, 2]` in `BINS` x `BINS` squares of [-reach, reach]^2, with sum 1: `[BINS, BINS]`.

    `PSEUDO` is added to every count. Points outside the square count in the outermost bins.
    """
    column, row = ((x / reach + 1) / 2 * BINS).clamp(0, BINS - 1).long().unbind(1)
    counts = torch.bincount(column * BINS + row, minlength=BINS**2).double() + PSEUDO
    return (counts / counts.sum()).view(BINS, BINS)


def kl(p: Tensor, q: Tensor) -> float:
    """KL(p || q) = sum p log(p / q) of histograms; 0 for equal ones.

    The paper's code sums densities over bins and divides by the number of bins along an axis. Its values are 6.25 times
    as large on the 8 Gaussians and 1.56 times on the other distributions, and empty bins have more weight.
    """
    return float((p * (p / q).log()).sum())


def jsd(p: Tensor, q: Tensor) -> float:
    """Jensen-Shannon divergence (KL(p || m) + KL(q || m)) / 2 of histograms, m = (p + q) / 2, in [0, ln 2]."""
    m = (p + q) / 2
    return (kl(p, m) + kl(q, m)) / 2


def coverage(p: Tensor, q: Tensor) -> float:
    """Fraction of p, in [0, 1], in cells of `POOL` x `POOL` bins where q has at least `COVERED` of p's mass."""
    p, q = (F.avg_pool2d(h[None], POOL)[0] * POOL**2 for h in (p, q))
    return float(p[q >= COVERED * p].sum())


def judge(model: Model, dataset: Dataset, generator: torch.Generator) -> dict[str, float]:
    """Every metric of a model, from `SAMPLES` points of it and of the data; see the functions above.

    Returns:
        elbo, kl, jsd and coverage; and kl_baseline and jsd_baseline, between two samples of the data.
    """
    points, fresh = (dataset.sample(SAMPLES, generator) for _ in range(2))
    drawn = sample(model, SAMPLES, generator)
    p, baseline, q = (histogram(x, dataset.reach) for x in (points, fresh, drawn))
    return {
        "elbo": float(log_density(model, points, dataset.reach).mean()),
        "kl": kl(p, q),
        "jsd": jsd(p, q),
        "coverage": coverage(p, q),
        "kl_baseline": kl(p, baseline),
        "jsd_baseline": jsd(p, baseline),
    }


def neighbour_log_density(x: Tensor, samples: Tensor) -> Tensor:
    """Estimate of log p(x) of points `[n, 2]` -> `[n]`, from m independent samples of p, `[m, 2]`.

        log p(x) = digamma(k) - log(m pi r_k(x)^2), r_k the distance to the k-th nearest sample, k = `NEIGHBOURS`

    The estimate is that of Loftsgaarden & Quesenberry 1965, with the bias correction of Kozachenko & Leonenko 1987. Far
    from all samples the estimate is too high.
    """
    radius, _ = cKDTree(samples.numpy()).query(x.numpy(), k=[NEIGHBOURS])
    area = math.pi * torch.from_numpy(radius[:, 0]).double().clamp(min=1e-9).square()
    return float(digamma(NEIGHBOURS)) - (len(samples) * area).log()


def theory(model: Model, dataset: Dataset, generator: torch.Generator) -> dict[str, float]:
    """The terms of the equilibrium: `kl`, KL(p_data || p_d), `entropy`, H(p_d), and `data_entropy`, H(p_data).

    At equilibrium the decoder's distribution p_d minimises KL(p_data || p_d) + gamma H(p_d) (Daniel & Tamar 2021). For
    gamma = 1 the sum falls over a run. An untrained decoder maps all codes near one point, so its entropy is low too.
    Terms are means over `SAMPLES` points, with the exact p_data and `neighbour_log_density` for p_d.
    """
    assert dataset.log_density is not None
    points, drawn = dataset.sample(SAMPLES, generator), sample(model, SAMPLES, generator)
    samples, truth = sample(model, REFERENCE, generator), dataset.log_density(points).double()
    return {
        "kl": float((truth - neighbour_log_density(points, samples)).mean()),
        "entropy": -float(neighbour_log_density(drawn, samples).mean()),
        "data_entropy": -float(truth.mean()),
    }
