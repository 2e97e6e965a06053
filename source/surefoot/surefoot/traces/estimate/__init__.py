"""What a log does not say: gains, delay, modes, clock offsets; with an interval and a goodness of fit."""

from surefoot.traces.estimate.gains import GainsEstimate, estimate_gains
from surefoot.traces.estimate.modes import find_modes
from surefoot.traces.estimate.offset import OffsetEstimate, estimate_offset

__all__ = ["GainsEstimate", "OffsetEstimate", "estimate_gains", "estimate_offset", "find_modes"]
