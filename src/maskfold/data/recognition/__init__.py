"""What a folder of data holds, for `format: auto`."""
