"""The systems that are measured: this project and what people would pick instead.

One module a system, each used as one who knows it well would.
"""
