"""Accounts of a training run: where reward came from, why episodes ended, how each bucket fared, what broke."""
