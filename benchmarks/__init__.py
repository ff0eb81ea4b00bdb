"""Benchmarks: ratios to a peer or to a limit measured in the same run. `make bench` runs them all."""
