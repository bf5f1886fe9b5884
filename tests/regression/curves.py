"""Golden loss curves: eight steps of every objective on every kind of model, in float32 on a fixed synthetic set.

`python tests/regression/curves.py` writes them to `losses/`; a commit that changes one says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from sivae_translate.models import MODELS
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.training.augment import augment_batch
from sivae_translate.training.loop import Terms, train_loop
from sivae_translate.training.optimizers import Optimizers, moving_average
from sivae_translate.training.processes import new_accelerator
from sivae_translate.training.state import Budget, Schedule, State
from sivae_translate.types import Batch

FOLDER = Path(__file__).parent / "losses"
SIZE, ROWS, STEPS = 16, 8, 8
DOMAINS = ("a", "b", "c")
NETWORK = {"width": 16, "max_width": 32}
KINDS = {
    "conv": {"name": "conv", "latent": 16, **NETWORK},
    "style-vector": {"name": "style", "content_stride": 0, **NETWORK},
    "style-layout": {"name": "style", "content_stride": 4, **NETWORK},
    "detail": {"name": "detail", "width": 16, "prior_width": 16},
    "synthesis": {"name": "synthesis", "latent": 16, **NETWORK},
}
NAT = 1 / (3 * SIZE * SIZE)  # a nat's weight where the KL counts as much as the squared error summed over the image
BOTH = {"beta_kl": 0.5 * NAT, "beta_style": 0.1}
ADVERSARIAL = {"vae_fraction": 0.25, "fake_fraction": 0.5, "feature_matching": 0.06}
WEIGHTS = {
    "vae": {**BOTH},
    "introvae": {**BOTH, **ADVERSARIAL, "beta_neg": 0.25 * NAT, "margin": 20.0},
    "soft-introvae": {**BOTH, **ADVERSARIAL, "beta_neg": 128 * NAT},
    "bootstrap": {**BOTH, **ADVERSARIAL, "beta_neg": 128 * NAT},
    "iterative-back-translation": {"prior_fraction": 0.25},
}
LAYOUT = {  # its KL is larger, and the exponential is to be felt
    "soft-introvae": {"back_translation": 0.5, "beta_neg": 8 * NAT},
    "bootstrap": {"back_translation": 0.5, "beta_neg": 8 * NAT},
    "introvae": {"back_translation": 0.5, "margin": 150.0},
}
CURVES = [
    (kind, objective)
    for kind in KINDS
    for objective in OBJECTIVES
    if objective != "iterative-back-translation" or kind == "detail"  # the plain VAE for others
]


def synthetic_batches() -> Iterator[Batch]:
    """Smooth random images, a colour of its own for each domain, in pairs of one domain."""
    generator = torch.Generator().manual_seed(7)
    colours = torch.rand(len(DOMAINS), 3, 1, 1, generator=generator)
    while True:
        domains = torch.randint(len(DOMAINS), (ROWS // 2,), generator=generator).repeat_interleave(2)
        shapes = torch.rand(ROWS, 1, 4, 4, generator=generator)
        images = F.interpolate(shapes, size=SIZE, mode="bilinear") * colours[domains]
        yield Batch(images.contiguous(memory_format=torch.channels_last), domains)


def curve(kind: str, name: str, **options: Any) -> str:
    """The terms of each step, a line a step, seven digits each.

    Args:
        options: of `train_loop`.
    """
    torch.manual_seed(0)
    settings = {key: value for key, value in KINDS[kind].items() if key != "name"}
    model = MODELS[KINDS[kind]["name"]](domains=DOMAINS, size=SIZE, **settings)
    model.to(memory_format=torch.channels_last)
    vector, layout = kind == "style-vector", kind in ("style-layout", "detail")
    weights = WEIGHTS[name] | (
        LAYOUT.get(name, {"back_translation": 0.5}) if layout and name != "iterative-back-translation" else {}
    )
    lines: list[str] = []

    def monitor(state: State, progress: float, terms: Terms) -> bool:
        if terms:
            lines.append(" ".join(f"{key}={float(value.detach()):.6e}" for key, value in terms.items()))
        return False

    accelerator = new_accelerator("cpu", "fp32")
    train_loop(
        model,
        OBJECTIVES[name](**weights),
        synthetic_batches(),
        Optimizers(model, accelerator, lr=2e-3, betas=(0.9, 0.99), clip=0.1),
        moving_average(model, 0.9),
        accelerator=accelerator,
        budget=Budget(images=STEPS * ROWS, minutes=0),
        schedule=Schedule(2e-3, warmup_images=0),
        state=State(),
        augment=partial(augment_batch, domain_aug=0.5 * vector, encoder_warp=0.5 * vector),
        monitor=monitor,
        seed=3,
        **options,
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for kind, name in CURVES:
        (FOLDER / f"{kind}-{name}.txt").write_text(curve(kind, name))


if __name__ == "__main__":
    main()
