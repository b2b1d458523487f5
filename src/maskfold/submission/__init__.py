"""From predictions to a checked submission file."""
