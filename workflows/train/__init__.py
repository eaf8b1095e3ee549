"""One training: images, epochs, processes that share them, weights."""
