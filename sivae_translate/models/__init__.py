"""The models by their names in recipes."""

from __future__ import annotations

from sivae_translate.models.autoencoder import Autoencoder, ConvAutoencoder, StyleAutoencoder
from sivae_translate.models.synthesis import SynthesisAutoencoder

MODELS: dict[str, type[Autoencoder]] = {
    "conv": ConvAutoencoder,
    "style": StyleAutoencoder,
    "synthesis": SynthesisAutoencoder,
}

__all__ = ["MODELS", "Autoencoder", "ConvAutoencoder", "StyleAutoencoder", "SynthesisAutoencoder"]
