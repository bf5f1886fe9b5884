"""Soft-IntroVAE on paper: float64 NumPy, linear networks, gradients by finite differences. Slow on purpose.

The networks are the smallest that have every part: content mean, style mean and log-variance are linear in the image,
the image is linear in content and style, and each domain has a style mean.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Arrays = dict[str, np.ndarray]


def encode(w: Arrays, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x [B, N] -> content mean [B, K], style mean [B, S], style log-variance [B, S]; content variance is 1."""
    return x @ w["content"].T, x @ w["style"].T, x @ w["logvar"].T


def decode(w: Arrays, c: np.ndarray, s: np.ndarray) -> np.ndarray:
    return c @ w["from_content"].T + s @ w["from_style"].T


def kl(w: Arrays, q: tuple[np.ndarray, np.ndarray, np.ndarray], prior: np.ndarray, beta_style: float) -> np.ndarray:
    """KL(q(c)||N(0, I)) + beta_style KL(q(s)||N(prior, I)), summed over dimensions, [B]."""
    c, s, logvar = q
    content = 0.5 * (c**2).sum(1)
    style = 0.5 * (np.exp(logvar) + (s - prior) ** 2 - 1 - logvar).sum(1)
    return content + beta_style * style


def squared_error(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return ((a - b) ** 2).sum(1)


def pairwise_swap(s: np.ndarray) -> np.ndarray:
    return s.reshape(-1, 2, s.shape[1])[:, ::-1].reshape(s.shape)


class Step:
    """One step's data and noise, fixed, so that losses are functions of the weights alone.

    `noise` holds, in the order the algorithm draws them: content and style of x, of the samples, and of the
    re-encoded generated images; `sampled` the samples' domains.
    """

    def __init__(self, x: np.ndarray, domains: np.ndarray, noise: Arrays, sampled: np.ndarray, beta: dict[str, float]):
        self.x, self.domains, self.noise, self.sampled, self.beta = x, domains, noise, sampled, beta
        self.scale = 1 / x.shape[1]

    def codes(self, w: Arrays) -> tuple[np.ndarray, np.ndarray]:
        c, s, logvar = encode(w, self.x)
        style = s + np.exp(logvar / 2) * self.noise["style"]
        return c + self.noise["content"], pairwise_swap(style)

    def generated(self, w: Arrays) -> np.ndarray:
        """rec, samples, translations: [3 B, N]; the samples' prior means are of these weights."""
        c, s = self.codes(w)
        samples = decode(w, self.noise["sample_content"], w["prior"][self.sampled] + self.noise["sample_style"])
        return np.concatenate([decode(w, c, s), samples, decode(w, c, np.roll(s, 2, 0))])

    def targets(self, w: Arrays) -> np.ndarray:
        """The prior means that rec, samples and translations are held to: [3 B, S]."""
        labels = np.concatenate([self.domains, self.sampled, np.roll(self.domains, 2)])
        return w["prior"][labels]

    def encoder_loss(self, w: Arrays, frozen: Arrays) -> float:
        """As a function of the encoder's weights in `w`; `frozen` are the weights before the step.

        Codes of translations are stopped, so those images are of the frozen weights; so is what the encoder sees of
        the generated images. Reconstructions, as targets, are not stopped.
        """
        beta, n = self.beta, len(self.x)
        c, s = self.codes(w)
        rec = decode(w, c, s)
        elbo = self.scale * (
            beta["rec"] * squared_error(self.x, rec)
            + beta["kl"] * kl(w, encode(w, self.x), frozen["prior"][self.domains], beta["style"])
        )
        stopped = self.generated(frozen)
        fakes = np.concatenate([rec, stopped[n:]])
        q = encode(w, stopped)
        z_c = q[0] + self.noise["again_content"]
        z_s = q[1] + np.exp(q[2] / 2) * self.noise["again_style"]
        exponent = beta["rec"] * squared_error(fakes, decode(w, z_c, z_s)) + beta["neg"] * kl(
            w, q, self.targets(frozen), beta["style"]
        )
        return float(elbo.mean() + (np.exp(-beta["alpha"] * self.scale * exponent) / beta["alpha"]).mean())

    def decoder_loss(self, w: Arrays, before: Arrays) -> float:
        """As a function of the decoder's weights in `w`; the encoder in `w` is updated, `before` gave the codes."""
        beta = self.beta
        c, s = self.codes(before)
        sample_style = before["prior"][self.sampled] + self.noise["sample_style"]
        rec = decode(w, c, s)
        samples = decode(w, self.noise["sample_content"], sample_style)
        fakes = np.concatenate([rec, samples, decode(w, c, np.roll(s, 2, 0))])
        kl_fakes = kl(w, encode(w, fakes), self.targets(before), beta["style"])
        _, mean, logvar = encode(before, self.x)
        prior = 0.5 * (np.exp(logvar) + (mean - w["prior"][self.domains]) ** 2 - 1 - logvar).sum(1)
        return float(
            self.scale * (beta["rec"] * squared_error(self.x, rec).mean() + beta["kl"] * kl_fakes.mean())
            + self.scale * beta["kl"] * beta["style"] * prior.mean()
        )


def gradient(loss: Callable[[Arrays], float], w: Arrays, name: str, epsilon: float = 1e-6) -> np.ndarray:
    """Central differences of the loss by one of the weight matrices."""
    result = np.zeros_like(w[name])
    for index in np.ndindex(*w[name].shape):
        ends = []
        for sign in (1, -1):
            moved = w[name].copy()
            moved[index] += sign * epsilon
            ends.append(loss({**w, name: moved}))
        result[index] = (ends[0] - ends[1]) / (2 * epsilon)
    return result
