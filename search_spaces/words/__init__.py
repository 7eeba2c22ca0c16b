"""Words for people: counts, shares and what terms mean."""
