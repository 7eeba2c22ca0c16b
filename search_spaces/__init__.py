"""What may be tried: schedules, and the space that each question samples them from."""
