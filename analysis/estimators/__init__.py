"""Estimators: array or frame in, frame or numbers out, no state."""
