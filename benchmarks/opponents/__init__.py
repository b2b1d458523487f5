"""What the benchmarks compare with: the ways that are usual elsewhere."""
