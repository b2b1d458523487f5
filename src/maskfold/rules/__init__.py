"""What turns probabilities into masks: the contract between the tuner and everything after it."""
