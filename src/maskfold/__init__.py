"""maskfold: from a folder of labelled images to a tuned, checked mask submission."""

__version__ = "0.1.0"
