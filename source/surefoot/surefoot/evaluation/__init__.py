"""The evaluation panel: what is commanded, what is measured, how sure the numbers are."""

from surefoot.evaluation.command_grid import CommandGrid
from surefoot.evaluation.rollout import GridResult, evaluate_grid, grid_manifest
from surefoot.evaluation.summary import CommandRow, Summary, command_rows, summarize

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
