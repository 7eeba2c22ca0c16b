"""The command `lrstudy`: the composition root. It alone may import `analysis`, inside a command."""

from study.cli.main import app, main

__all__ = ["app", "main"]
