"""Arithmetic on arrays: run lengths, metrics and geometry."""
