"""The store: pages, merging, reading, deleting, verifying."""
