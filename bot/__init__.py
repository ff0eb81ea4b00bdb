"""The engine: what runs by itself. Knows `content` and `db`; is called by `handlers`."""
