"""One training run: the loop, what it measures, its checkpoints, and sampling of weights."""
