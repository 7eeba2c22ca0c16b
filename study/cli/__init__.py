"""The command `lrstudy`: the composition root. It alone may import `analysis`, inside a command."""

from study.cli.main import main

__all__ = ["main"]
