"""What is learned: data sets, networks, and the fixed split of the training images."""
