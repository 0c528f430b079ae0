"""SMTP (RFC 5321): `bulk` for runs over many connections, `single` for notices and tests, one reading of replies."""
