"""Calls of the client over a server that is cut, held, stopped and started again."""
