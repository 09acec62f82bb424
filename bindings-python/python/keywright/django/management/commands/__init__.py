"""The commands, named after what they do."""
