"""Evaluation: translations against truths and real images, samples against real images, out-of-distribution tests."""
