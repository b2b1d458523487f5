"""Files on disk to a Competition."""
