"""The command line in this process."""

from __future__ import annotations

from tests.study.conftest import lrstudy as lrstudy
