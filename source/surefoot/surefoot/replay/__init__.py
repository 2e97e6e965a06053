"""Logs of real and simulated robots: import, canonical file, card, estimates."""

from surefoot.replay.card import TraceCard, read_card, write_card
from surefoot.replay.trace import Trace
from surefoot.replay.trace_file import TraceFile, TraceWriter, read_trace, write_trace

__all__ = ["Trace", "TraceCard", "TraceFile", "TraceWriter", "read_card", "read_trace", "write_card", "write_trace"]
