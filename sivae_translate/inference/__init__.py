"""Using a trained model: images, folders, edits, latent optimisation and thresholds."""
