"""How work runs: jobs and threads, compiled loops, memory, progress and the console."""
