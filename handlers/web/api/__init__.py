"""The JSON API: everything that the pages do, for programs. `table.py` is its contents page."""
