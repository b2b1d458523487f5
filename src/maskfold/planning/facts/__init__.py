"""What the data are like: sizes, objects, symmetry and copies, in numbers and in words."""
