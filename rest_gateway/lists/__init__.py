"""A list of pairs: its form, its bytes as they come, its pairs and bad lines."""
