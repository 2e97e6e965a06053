"""Showing trained policies: videos and pictures."""
