"""Any mix of calls and crashes, held against a dictionary."""
