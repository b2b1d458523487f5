"""Networks: built from a config, and loaded with trained weights."""
