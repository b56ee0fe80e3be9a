"""Selections, scans and lists: which events of a page are meant, page after page."""
