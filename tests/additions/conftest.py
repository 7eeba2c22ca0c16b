"""What the examples of additions need: a command line, studies in a file, planted ones."""

from __future__ import annotations

from tests.analysis.conftest import plant
from tests.study.conftest import lrstudy, make_spec, make_study

__all__ = ["lrstudy", "make_spec", "make_study", "plant"]
