"""A run and what is remembered of it: its folder, its checkpoints, its record."""
