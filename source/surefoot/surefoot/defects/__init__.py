"""Planted defects: small patches of a running training, and a bench that says which of them an alert names."""
