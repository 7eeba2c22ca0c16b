"""Learning-rate schedules: their families, their clock, and their text form."""
