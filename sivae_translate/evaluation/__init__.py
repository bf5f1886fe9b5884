"""Measuring translations against the truth."""
