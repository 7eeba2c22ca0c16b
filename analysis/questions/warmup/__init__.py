"""Question 4, how long warmup should last."""
