"""The Python client against real services."""
