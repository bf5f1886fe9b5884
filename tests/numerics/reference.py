"""The introspective family on paper: float64 NumPy, linear networks, gradients by finite differences. Slow on purpose.

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

    `noise` holds, in the order the algorithm draws them: content and style of x, of the samples, and of the generated
    images re-encoded in the encoder's ("again") and in the decoder's round ("more"); `sampled` the samples' domains;
    `slow` the weights of the decoder that judges generated images in the bootstrap.
    """

    def __init__(
        self,
        x: np.ndarray,
        domains: np.ndarray,
        noise: Arrays,
        sampled: np.ndarray,
        slow: Arrays,
        beta: dict[str, float],
    ):
        self.x, self.domains, self.noise, self.sampled, self.slow, self.beta = x, domains, noise, sampled, slow, beta
        self.scale = 1 / x.shape[1]

    def codes(self, w: Arrays) -> tuple[np.ndarray, np.ndarray]:
        c, s, logvar = encode(w, self.x)
        style = s + np.exp(logvar / 2) * self.noise["style"]
        return c + self.noise["content"], pairwise_swap(style)

    def back(self, w: Arrays, frozen: Arrays, beyond: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Error and KL of the first rows rebuilt from their translations, which are of the frozen weights."""
        n, (c, s) = len(beyond), self.codes(frozen)
        asked = np.roll(s, 2, 0)[:n]
        translated = np.clip(decode(frozen, c[:n], asked + beyond * (asked - s[:n])), 0, 1)
        content = encode(w, translated)[0]
        rebuilt = decode(w, content + noise, self.codes(w)[1][:n])
        return squared_error(self.x[:n], rebuilt), 0.5 * (content**2).sum(1)

    def generated(self, w: Arrays) -> np.ndarray:
        """rec, samples, translations: [3 B, N]; the samples' prior means are of these weights."""
        c, s = self.codes(w)
        samples = decode(w, self.noise["sample_content"], w["prior"][self.sampled] + self.noise["sample_style"])
        return np.concatenate([decode(w, c, s), samples, decode(w, c, np.roll(s, 2, 0))])

    def targets(self, w: Arrays) -> np.ndarray:
        """The prior means that rec, samples and translations are held to: [3 B, S]."""
        labels = np.concatenate([self.domains, self.sampled, np.roll(self.domains, 2)])
        return w["prior"][labels]

    def missed(self, w: Arrays, wanted: np.ndarray, made: np.ndarray) -> float:
        """Error in the encoder's features, the image and its content mean, over their variance."""
        pairs = [(wanted, made), (encode(w, wanted)[0], encode(w, made)[0])]
        return float(np.mean([((a - b) ** 2).mean() / a.var(ddof=1) for a, b in pairs]))

    def again(self, decoder: Arrays, q: tuple[np.ndarray, np.ndarray, np.ndarray], noise: str) -> np.ndarray:
        """Images decoded from a draw of the posterior q."""
        style = q[1] + np.exp(q[2] / 2) * self.noise[f"{noise}_style"]
        return decode(decoder, q[0] + self.noise[f"{noise}_content"], style)

    def exponential(self, w: Arrays, fakes: np.ndarray, seen: np.ndarray, decoder: Arrays, frozen: Arrays) -> float:
        beta, q = self.beta, encode(w, seen)
        error = squared_error(fakes, self.again(decoder, q, "again"))
        exponent = beta["rec"] * error + beta["neg"] * kl(w, q, self.targets(frozen), beta["style"])
        return float((np.exp(-beta["alpha"] * self.scale * exponent) / beta["alpha"]).mean())

    def hinge(self, w: Arrays, seen: np.ndarray, frozen: Arrays) -> float:
        divergence = kl(w, encode(w, seen), self.targets(frozen), self.beta["style"])
        hinges = [max(0.0, self.beta["margin"] - kind.mean()) for kind in np.split(divergence, 3)]
        return self.scale * self.beta["kl"] * self.beta["neg"] * float(np.mean(hinges))

    def encoder_loss(self, w: Arrays, frozen: Arrays, objective: str) -> float:
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
        seen = self.generated(frozen)
        fakes = np.concatenate([rec, seen[n:]])
        adversarial = {
            "introvae": lambda: self.hinge(w, seen, frozen),
            "soft-introvae": lambda: self.exponential(w, fakes, seen, w, frozen),
            "bootstrap": lambda: self.exponential(w, fakes, seen, self.slow, frozen),
        }
        return float(elbo.mean() + adversarial[objective]())

    def decoder_loss(self, w: Arrays, before: Arrays, objective: str, gamma_r: float = 0.0) -> float:
        """As a function of the decoder's weights in `w`; the encoder in `w` is updated, `before` gave the codes.

        In the last term generated images are stopped as targets and, unless bootstrapped, so are their codes.
        """
        beta = self.beta
        c, s = self.codes(before)
        sample_style = before["prior"][self.sampled] + self.noise["sample_style"]

        def fakes(decoder: Arrays) -> np.ndarray:
            samples = decode(decoder, self.noise["sample_content"], sample_style)
            return np.concatenate([decode(decoder, c, s), samples, decode(decoder, c, np.roll(s, 2, 0))])

        rec, q = decode(w, c, s), encode(w, fakes(w))
        kl_fakes = kl(w, q, self.targets(before), beta["style"])
        _, mean, logvar = encode(before, self.x)
        prior = 0.5 * (np.exp(logvar) + (mean - w["prior"][self.domains]) ** 2 - 1 - logvar).sum(1)
        loss = self.scale * (beta["rec"] * squared_error(self.x, rec).mean() + beta["kl"] * kl_fakes.mean())
        loss += self.scale * beta["kl"] * beta["style"] * prior.mean()
        loss += beta["features"] * self.missed(w, self.x, rec)
        if gamma_r:
            stopped = fakes(before)
            bootstrapped = objective == "bootstrap"
            again = self.again(self.slow, q, "more") if bootstrapped else self.again(w, encode(w, stopped), "more")
            loss += gamma_r * self.scale * beta["rec"] * squared_error(stopped, again).mean()
        return float(loss)


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
