"""Lookups: the reader, its batches, and the cache of unpacked pages."""
