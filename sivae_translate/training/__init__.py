"""Training: the loop, and the one place that wires a run together."""
