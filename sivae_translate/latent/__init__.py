"""Going about in the latent space: between images, along directions, to a better code."""
