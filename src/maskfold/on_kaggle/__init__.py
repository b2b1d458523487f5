"""Kaggle: the data of a competition, submissions, datasets, and public scores beside the honest ones."""
