"""Pictures of a record: where reward came from, why episodes ended, how buckets fared, what broke."""
