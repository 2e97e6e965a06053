"""Replay of real logs in simulation: the gap, what explains it, and what the motion cannot tell."""
