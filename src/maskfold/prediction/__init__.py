"""Photos and videos through a trained run: found, read, predicted, drawn and written."""
