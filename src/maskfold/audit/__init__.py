"""What may be wrong with data and labels."""
