"""The answer of a space without a section of its own: its best configurations and schedules."""
