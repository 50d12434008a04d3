"""The options of commands that show events: a module a group, each with `add(parser)`."""
