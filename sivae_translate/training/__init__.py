"""Training: the loop, its parts, and `run`, which connects them."""
