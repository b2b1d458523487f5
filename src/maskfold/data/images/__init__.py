"""Image files: reading, headers, an index of folders, names."""
