"""Readers of logs: tables (CSV, NPZ, Parquet) and bags (rosbag2, MCAP), each as a stream of batches."""

from surefoot.traces.sources.batches import RawBatch, Request
from surefoot.traces.sources.source import LogSource

__all__ = ["LogSource", "RawBatch", "Request"]
