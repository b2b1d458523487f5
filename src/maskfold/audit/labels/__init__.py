"""Labels that are most likely wrong, from OOF predictions."""
