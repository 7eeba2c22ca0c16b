"""Question 3, cosine against the others."""
