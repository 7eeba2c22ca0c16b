"""Studies that other programs made with Optuna: what their data allow to say, and no more."""
