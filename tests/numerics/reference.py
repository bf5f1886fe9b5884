"""The introspective objectives in float64 NumPy, on linear networks, with gradients by central differences.

The networks are the smallest that have every part. Content mean, style mean and style log-variance are linear in the
image; the image is linear in content and style; each domain has a style mean. B rows, N values of an image, K content,
S style, D domains.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Arrays = dict[str, np.ndarray]
Posterior = tuple[np.ndarray, np.ndarray, np.ndarray]  # content mean [B, K], style mean and log-variance [B, S]


def encode(w: Arrays, x: np.ndarray) -> Posterior:
    """Images `[B, N]` -> their posterior; the content's variance is 1."""
    return x @ w["content"].T, x @ w["style"].T, x @ w["logvar"].T


def decode(w: Arrays, c: np.ndarray, s: np.ndarray) -> np.ndarray:
    return c @ w["from_content"].T + s @ w["from_style"].T


def kl(q: Posterior, prior: np.ndarray, beta_style: float) -> np.ndarray:
    """KL(q(c) || N(0, I)) + beta_style KL(q(s) || N(prior, I)), nats, `[B]`."""
    c, s, logvar = q
    return 0.5 * (c**2).sum(1) + beta_style * kl_of_style((s, logvar), prior)


def kl_of_style(q: tuple[np.ndarray, np.ndarray], prior: np.ndarray) -> np.ndarray:
    mean, logvar = q
    return 0.5 * (np.exp(logvar) + (mean - prior) ** 2 - 1 - logvar).sum(1)


def squared_error(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return ((a - b) ** 2).sum(1)


def pairwise_swap(s: np.ndarray) -> np.ndarray:
    return s.reshape(-1, 2, s.shape[1])[:, ::-1].reshape(s.shape)


class Step:
    """The data and noise of one step, so that losses are functions of the weights alone.

    Args:
        x: images, `[B, N]`.
        domains: their labels, `[B]`.
        noise: standard normal, by "<pass>_content" and "<pass>_style". The passes are "real", "sample", and the fakes'
            reconstructions in the "encoder" and in the "decoder" phase.
        sampled: the samples' labels, `[B]`.
        target_decoder: weights of the bootstrap's slow decoder.
        beta: weights of the losses; "kl" and "neg" are per nat.
    """

    def __init__(
        self,
        x: np.ndarray,
        domains: np.ndarray,
        noise: Arrays,
        sampled: np.ndarray,
        target_decoder: Arrays,
        beta: dict[str, float],
    ):
        self.x, self.domains, self.noise, self.sampled = x, domains, noise, sampled
        self.target_decoder, self.beta = target_decoder, beta

    def codes(self, w: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """A code of each image, with the style of its partner."""
        c, s, logvar = encode(w, self.x)
        style = s + np.exp(logvar / 2) * self.noise["real_style"]
        return c + self.noise["real_content"], pairwise_swap(style)

    def negative_elbo(self, error: np.ndarray, kl: np.ndarray) -> float:
        """Mean over the rows of beta_rec L_r / N + beta_kl KL."""
        return float((self.beta["rec"] * error / self.x.shape[1] + self.beta["kl"] * kl).mean())

    def real(self, w: Arrays, prior: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Error and KL of the images, `[B]` each; the prior is of weights of its own."""
        error = squared_error(self.x, decode(w, *self.codes(w)))
        return error, kl(encode(w, self.x), prior["prior"][self.domains], self.beta["style"])

    def back_translation(
        self, w: Arrays, frozen: Arrays, overshoot: np.ndarray, noise: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Error and KL of the first rows, reconstructed from translations by the frozen weights."""
        n, (c, s) = len(overshoot), self.codes(frozen)
        target = np.roll(s, 2, 0)[:n]
        translated = np.clip(decode(frozen, c[:n], target + overshoot * (target - s[:n])), 0, 1)
        content = encode(w, translated)[0]
        again = decode(w, content + noise, self.codes(w)[1][:n])
        return squared_error(self.x[:n], again), 0.5 * (content**2).sum(1)

    def fakes(self, decoder: Arrays, before: Arrays) -> np.ndarray:
        """Reconstructions, samples and translations, `[3 B, N]`, of codes that the weights before the step give."""
        c, s = self.codes(before)
        sampled = before["prior"][self.sampled] + self.noise["sample_style"]
        codes = [(c, s), (self.noise["sample_content"], sampled), (c, np.roll(s, 2, 0))]
        return np.concatenate([decode(decoder, *code) for code in codes])

    def kl_of_fakes(self, q: Posterior, prior: Arrays) -> np.ndarray:
        """KL of the fakes to the domains that they claim to show, `[3 B]`."""
        labels = np.concatenate([self.domains, self.sampled, np.roll(self.domains, 2)])
        return kl(q, prior["prior"][labels], self.beta["style"])

    def feature_error(self, w: Arrays, target: np.ndarray, made: np.ndarray) -> float:
        """Mean error of the features, which are the image and its content mean, over the target's variance."""
        pairs = [(target, made), (encode(w, target)[0], encode(w, made)[0])]
        return float(np.mean([((a - b) ** 2).mean() / a.var(ddof=1) for a, b in pairs]))

    def again(self, decoder: Arrays, q: Posterior, phase: str) -> np.ndarray:
        """Images decoded from a draw of the posterior q."""
        style = q[1] + np.exp(q[2] / 2) * self.noise[f"{phase}_style"]
        return decode(decoder, q[0] + self.noise[f"{phase}_content"], style)

    def exponential(self, w: Arrays, fakes: np.ndarray, seen: np.ndarray, decoder: Arrays, frozen: Arrays) -> float:
        """mean_g (1 / alpha) exp(-alpha (beta_rec L_r / N + beta_neg KL)); the encoder sees the fakes stopped."""
        beta, q = self.beta, encode(w, seen)
        error = squared_error(fakes, self.again(decoder, q, "encoder")) / self.x.shape[1]
        exponent = beta["rec"] * error + beta["neg"] * self.kl_of_fakes(q, frozen)
        return float((np.exp(-beta["alpha"] * exponent) / beta["alpha"]).mean())

    def hinge(self, w: Arrays, seen: np.ndarray, frozen: Arrays) -> float:
        """beta_kl beta_neg mean_kinds max(0, margin - mean KL)."""
        kinds = np.split(self.kl_of_fakes(encode(w, seen), frozen), 3)
        hinges = [max(0.0, self.beta["margin"] - kind.mean()) for kind in kinds]
        return self.beta["neg"] * float(np.mean(hinges))

    def encoder_loss(self, w: Arrays, frozen: Arrays, objective: str) -> float:
        """The encoder phase's loss, a function of the encoder's weights in `w`.

        The frozen weights are those before the step: of the priors, of the samples' and translations' codes, and of
        the fakes as the encoder sees them. Reconstructions, as the exponential's targets, are not stopped.
        """
        n, seen = len(self.x), self.fakes(frozen, frozen)
        fakes = np.concatenate([decode(w, *self.codes(w)), seen[n:]])
        adversarial = {
            "introvae": lambda: self.hinge(w, seen, frozen),
            "soft-introvae": lambda: self.exponential(w, fakes, seen, w, frozen),
            "bootstrap": lambda: self.exponential(w, fakes, seen, self.target_decoder, frozen),
        }
        return self.negative_elbo(*self.real(w, frozen)) + adversarial[objective]()

    def decoder_loss(self, w: Arrays, before: Arrays, objective: str, gamma_r: float = 0.0) -> float:
        """The decoder phase's loss, a function of the decoder's weights in `w`, whose encoder is the updated one.

        The weights before the step give the codes. In the last term fakes are stopped as targets and, unless
        bootstrapped, so are their codes.
        """
        beta, n, values = self.beta, len(self.x), self.x.shape[1]
        fakes = self.fakes(w, before)
        q = encode(w, fakes)
        loss = beta["rec"] * squared_error(self.x, fakes[:n]).mean() / values
        loss += beta["kl"] * self.kl_of_fakes(q, before).mean()
        style = encode(before, self.x)[1:]
        loss += beta["kl"] * beta["style"] * kl_of_style(style, w["prior"][self.domains]).mean()
        loss += beta["features"] * self.feature_error(w, self.x, fakes[:n])
        if gamma_r:
            stopped = self.fakes(before, before)
            bootstrapped = objective == "bootstrap"
            decoder, codes = (self.target_decoder, q) if bootstrapped else (w, encode(w, stopped))
            error = squared_error(stopped, self.again(decoder, codes, "decoder")).mean()
            loss += gamma_r * beta["rec"] * error / values
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
