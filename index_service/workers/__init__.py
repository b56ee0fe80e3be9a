"""Several processes of index_service on one port, and their metrics in one page."""
