"""Readers of logs: tables (CSV, NPZ, Parquet) and bags (rosbag2, MCAP), each as a stream of batches."""

from surefoot.traces.sources.open import Source, open_source
from surefoot.traces.sources.raw import RawBatch, Request

__all__ = ["RawBatch", "Request", "Source", "open_source"]
