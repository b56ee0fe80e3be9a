"""What can end the local stack. Never printed here: the command line does that."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot start or go on; the text is for the person who started it."""


class ChildDiedError(StackError):
    """A process of the stack ended by itself."""


class StopRequestedError(Exception):
    """Ctrl-C, SIGTERM or a closed terminal: a clean stop, no failure."""
