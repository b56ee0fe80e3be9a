"""The index over HTTP: a REST API and jobs, as a client of the index and ingest services.

Its only tables are those of its jobs.
"""
