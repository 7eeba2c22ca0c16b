"""Figures for a paper or a notebook, as the report draws them, on a matplotlib axis of yours.

>>> import matplotlib.pyplot as plt
>>> import lrstudy
>>> study = lrstudy.Study.open("sqlite:///lrstudy.db", "cosine")
>>> frames = lrstudy.estimates(study)
>>> figure, (left, right) = plt.subplots(1, 2, layout="constrained")
>>> ax = lrstudy.figures.score_by_rate(study.trials, left)
>>> ax = lrstudy.figures.comparison_forest(frames["comparison"], right)
>>> figure.savefig("paper.pdf")

Each takes a frame or schedules and ``ax``, a `matplotlib.axes.Axes` (the current axes without it),
and returns the axes. Fonts and sizes are those of your figure; colours and marks of schedules are
the report's. Frames hold accuracies as shares in [0, 1]; axes show per cent.
"""

from analysis.fresh_seeds.forest import comparison_forest
from analysis.questions.polynomial.figures import exponent_map
from analysis.questions.polynomial.search import score_by_exponent
from analysis.questions.warmup.figures import warmup_map
from analysis.sections.by_rate import score_by_rate
from analysis.sections.learning import learning_curves
from analysis.sections.schedules import schedule_shapes

__all__ = [
    "comparison_forest",
    "exponent_map",
    "learning_curves",
    "schedule_shapes",
    "score_by_exponent",
    "score_by_rate",
    "warmup_map",
]
