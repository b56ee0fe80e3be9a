"""The measurements, one module each: a function that takes the `Bench` and returns figures."""
