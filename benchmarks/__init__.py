"""Speed as ratios, and the results of known experiments: `python -m benchmarks [NAME ...] [--quick]`."""
