"""Where files are and whether they are fresh."""
