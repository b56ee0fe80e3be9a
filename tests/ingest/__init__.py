"""ingest_service: decoders, doors, storing, administration."""
