"""What an administrator changes: datasets, dead letters, conflicts, tokens; and verify."""
