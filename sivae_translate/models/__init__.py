"""The networks, by the name a recipe calls them."""

from __future__ import annotations

from sivae_translate.models.autoencoder import ConvAutoencoder, StyleAutoencoder

Autoencoder = ConvAutoencoder | StyleAutoencoder

MODELS: dict[str, type[ConvAutoencoder] | type[StyleAutoencoder]] = {
    "conv": ConvAutoencoder,
    "style": StyleAutoencoder,
}

__all__ = ["MODELS", "Autoencoder", "ConvAutoencoder", "StyleAutoencoder"]
