"""Benchmarks: every speed is a ratio to a reference that is timed in the same run."""
