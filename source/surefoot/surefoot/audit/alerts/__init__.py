"""Rules over the accounts: what is suspicious, and how sure that is."""
