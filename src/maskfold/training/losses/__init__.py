"""The training loss, and its terms."""
