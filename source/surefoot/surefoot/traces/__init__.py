"""Logs of real and simulated robots: import, canonical file, card, estimates."""

from surefoot.traces.card import TraceCard, read_card, write_card
from surefoot.traces.trace import Trace
from surefoot.traces.trace_file import TraceFile, TraceWriter, read_trace, write_trace

__all__ = ["Trace", "TraceCard", "TraceFile", "TraceWriter", "read_card", "read_trace", "write_card", "write_trace"]
