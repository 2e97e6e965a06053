"""The evaluation panel: what is commanded, what is measured, how sure the numbers are."""

from surefoot.panel.command_grid import CommandGrid
from surefoot.panel.rollout import GridResult, evaluate_grid, grid_manifest
from surefoot.panel.summary import CommandRow, Summary, command_rows, summarize

__all__ = [
    "CommandGrid",
    "CommandRow",
    "GridResult",
    "Summary",
    "command_rows",
    "evaluate_grid",
    "grid_manifest",
    "summarize",
]
