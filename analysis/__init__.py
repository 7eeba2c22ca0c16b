"""What was learned: database -> tidy frames -> estimates -> figures, verdicts and a report.

>>> from analysis import load
>>> trials, curves = load("sqlite:///lrstudy.db", "cosine")
"""

from analysis.reading.loading import load

__all__ = ["load"]
