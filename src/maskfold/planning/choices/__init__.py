"""The rules of a plan, one module a section of the config."""
