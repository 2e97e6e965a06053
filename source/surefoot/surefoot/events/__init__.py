"""Scheduled events, the side that writes jobs and reads results; `surefoot.schedule` evaluates them."""
