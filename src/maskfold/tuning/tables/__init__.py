"""The exact tables: the score of every threshold and minimum area, from one pass over each map."""
