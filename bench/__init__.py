"""Benchmarks: syncd against the bare floor, in the same run, on the same machine. `python -m bench`."""
