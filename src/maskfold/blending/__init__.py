"""Several experiments that answer together: how maps are combined, which weights, the stage, and test images."""
