"""Question 1, the best model at a fixed rate."""
