"""Volumes and clips: which images belong together, and in which order."""
