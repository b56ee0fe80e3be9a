"""Answers as streams, lines and documents."""
