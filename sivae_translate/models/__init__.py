"""The models by their names in recipes. Packages add models by the entry points `sivae_translate.models`."""

from __future__ import annotations

from sivae_translate.models.autoencoder import Autoencoder, ConvAutoencoder, StyleAutoencoder, TranslatingAutoencoder
from sivae_translate.models.detail import DetailAutoencoder
from sivae_translate.models.synthesis import SynthesisAutoencoder
from sivae_translate.plugins import Table

MODELS: Table[type[Autoencoder]] = Table(
    "sivae_translate.models",
    {
        "conv": ConvAutoencoder,
        "style": StyleAutoencoder,
        "detail": DetailAutoencoder,
        "synthesis": SynthesisAutoencoder,
    },
    lambda entry: isinstance(entry, type) and issubclass(entry, Autoencoder),
    "a subclass of sivae_translate.models.Autoencoder",
)

__all__ = [
    "MODELS",
    "Autoencoder",
    "ConvAutoencoder",
    "DetailAutoencoder",
    "StyleAutoencoder",
    "SynthesisAutoencoder",
    "TranslatingAutoencoder",
]
