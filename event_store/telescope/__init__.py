"""Telescope records: their names and files, written, read and counted."""
