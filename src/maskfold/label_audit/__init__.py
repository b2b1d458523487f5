"""Which labels the out-of-fold predictions speak against, and why."""
