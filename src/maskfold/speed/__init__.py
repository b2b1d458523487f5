"""How fast, how large and how exact a trained network answers in each runtime that this machine has."""
