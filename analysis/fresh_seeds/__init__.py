"""A search's later stages: runs on fresh seeds, in pairs."""
