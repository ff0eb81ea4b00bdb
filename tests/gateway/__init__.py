"""A real Wechaty gateway for the tests: a Node process over a mock puppet, and what the people on it do."""
