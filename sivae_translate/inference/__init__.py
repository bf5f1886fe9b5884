"""Inference with a trained model: images, folders, edits, latent optimisation and thresholds."""
