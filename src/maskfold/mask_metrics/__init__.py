"""Metrics that look at whole masks, which do not follow from areas: of outlines, of objects, and the user's own."""
