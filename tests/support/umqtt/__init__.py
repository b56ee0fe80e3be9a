"""A stand-in for MicroPython's package of this name, for programs of devices under plain Python."""
