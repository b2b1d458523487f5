"""Training of the folds: stage (what is fresh), fit (one fold), module (the network at work), data, history."""
