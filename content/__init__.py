"""What the project knows about fraud, and how text is read: pure functions and values, no database, no network."""
