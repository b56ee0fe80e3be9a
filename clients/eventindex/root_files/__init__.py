"""ROOT files: events into the index, and picked events out of them. Needs `eventindex[root]`."""
