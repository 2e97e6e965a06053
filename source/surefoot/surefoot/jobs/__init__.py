"""Evaluating checkpoints while training goes on: jobs, the process that works them off, what follows from results."""
