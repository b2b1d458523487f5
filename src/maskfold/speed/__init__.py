"""How fast each runtime predicts here, and how far it differs from torch."""
