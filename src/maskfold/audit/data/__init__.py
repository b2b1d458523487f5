"""Broken files, copies, contradicting labels and proposed groups."""
