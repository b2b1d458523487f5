"""The exact search for the rule of each class, and what the chosen rules are worth."""
