"""Storage: models, sessions, migrations, and per noun functions that take a session. Knows nobody else."""
