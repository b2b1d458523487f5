"""Experiment trackers: where trainings, scores and reports are sent, besides the files of the run."""
