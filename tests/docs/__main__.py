"""Runs the notebook on the study of `make study` and keeps its outputs: python -m tests.docs"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import nbformat

from tests.docs.notebook import NOTEBOOK, execute

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("storage", nargs="?", default=f"sqlite:///{Path('lrstudy.db').absolute()}")
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(execute(parser.parse_args().storage, Path(folder)), NOTEBOOK)
