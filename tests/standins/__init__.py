"""Real counterparts for the tests: servers that are started on this machine and gone when the tests end."""
