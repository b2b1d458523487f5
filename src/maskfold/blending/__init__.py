"""Several experiments combined into one prediction."""
