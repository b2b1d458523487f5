"""Images, masks, predictions and label errors that the benchmarks draw for themselves."""
