"""The store of out-of-fold (OOF) probabilities."""
