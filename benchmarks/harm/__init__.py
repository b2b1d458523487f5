"""What can happen to the files and processes of a run: damage, kills, signals, doubles, odd inputs."""
