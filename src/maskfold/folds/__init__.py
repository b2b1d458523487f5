"""Folds: how the training images are cut, checked and read back, and which model may see which image."""

from maskfold.folds.cutting import assign_folds, cut_folds
from maskfold.folds.sides import scored_competition, seen_by
from maskfold.folds.stage import make_folds
from maskfold.folds.table import check_folds, read_folds, same_folds, shared_folds

__all__ = [
    "assign_folds",
    "check_folds",
    "cut_folds",
    "make_folds",
    "read_folds",
    "same_folds",
    "scored_competition",
    "seen_by",
    "shared_folds",
]
