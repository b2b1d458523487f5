"""How the training images are split, and which model sees which image."""
