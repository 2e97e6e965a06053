"""Importing this registers every task with Gymnasium, as importing an Isaac Lab extension's tasks does.

It is the entry point of group `isaaclab.tasks`, through which Isaac Lab 3.0 finds the tasks, and what Isaac Sim imports
when the extension is enabled.
"""

from surefoot_tasks.registration import __getattr__ as __getattr__
from surefoot_tasks.registration import register

register()
