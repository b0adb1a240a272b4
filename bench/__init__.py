"""The load test: `make bench`, or `python -m bench --help`."""
