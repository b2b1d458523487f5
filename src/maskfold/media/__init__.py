"""Photos and videos: predictions drawn into new files."""
