"""Random streams, and what is drawn from them: resets, pushes, per-environment physics."""
