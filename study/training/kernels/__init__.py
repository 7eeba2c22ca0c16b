"""The kernels that train a network: PyTorch's, and for LeNet on a CPU one that numba compiles."""
