"""The database: studies in it, and slots given out. All that is private to Optuna is used here."""
