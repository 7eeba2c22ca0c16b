"""Question 2, the exponent of polynomial decay."""
