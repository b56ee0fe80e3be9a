"""index_service: lookups, lists, workers, tokens."""
