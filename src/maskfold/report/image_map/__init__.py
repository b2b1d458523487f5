"""The map of images: what a trained encoder sees of each, in two dimensions."""
