"""How all benchmarks measure: options, claims, turns, processes of their own, whole stages."""
