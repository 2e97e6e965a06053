"""Where the accounts go: console, Parquet, and what a full disk does to it."""
