"""One reader for each form of labels."""
