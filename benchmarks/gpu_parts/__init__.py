"""Parts of `benchmarks/gpu.py`: each yields its figures one line at a time."""
