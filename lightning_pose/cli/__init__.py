"""The `litpose` command line, one thin module a subcommand."""
