"""Question 5, optimization and sampling."""
