"""The best configuration to take away: weights, and code that needs PyTorch alone."""
