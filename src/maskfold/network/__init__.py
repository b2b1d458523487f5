"""From a config to a network, and back from trained weights."""
