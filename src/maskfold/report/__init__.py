"""The report pages of a run."""
