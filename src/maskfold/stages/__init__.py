"""The corridor: one file a script, which alone knows the whole config, the paths, the provenance and the console."""
