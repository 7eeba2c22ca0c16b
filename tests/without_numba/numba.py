"""Stands before numba on the path: `make test-without-numba` tests as where it is not installed."""

raise ModuleNotFoundError("No module named 'numba'")
