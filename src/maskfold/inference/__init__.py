"""The only way from an image to probabilities."""
