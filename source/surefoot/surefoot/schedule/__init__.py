"""Scheduled events, the side that evaluates: kinds of events, the worker process, what a schedule needs to run."""
