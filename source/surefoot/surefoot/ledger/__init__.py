"""All runs in one database: an index of run folders, which stay the truth and from which it can be filled again."""
