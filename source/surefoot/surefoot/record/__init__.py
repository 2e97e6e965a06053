"""The record of a run: one document with how much was trained and how good it is, side by side."""
