"""The made-up account: people, tags, and the built-in boards by name."""
