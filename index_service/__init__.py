"""Lookups over gRPC: request in, plan, fetch, reply.

Reads the database, never writes it.
"""
