"""Learning-rate schedules: their families, their clock, and their text form."""

# Families are shown in the order in which their classes are made, whoever imports what first.
from search_spaces.schedules import decays, horizon, cycles, given, sequence  # noqa: F401  # isort: skip
