"""What can be wrong with a ROOT file."""

from __future__ import annotations


class RootFileError(Exception):
    """A ROOT file that cannot be used; the text says why, without the file's name."""


class CriteriaError(ValueError):
    """Criteria that no file can bring: too many, or at odds with the names in the index."""
