"""One Optuna trial: its parameters, its training, its score, and pruning."""
