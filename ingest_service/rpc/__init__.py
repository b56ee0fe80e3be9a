"""The gRPC door of IngestService."""
