"""Payloads to columns, by their topic. Pure."""
