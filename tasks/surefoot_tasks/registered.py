"""Importing this registers every task with Gymnasium, as importing an Isaac Lab extension's tasks does."""

from surefoot_tasks.registration import register

register()
