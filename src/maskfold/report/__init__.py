"""The pictures of a run: training curves and the static HTML page."""
