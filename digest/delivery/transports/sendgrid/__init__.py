"""SendGrid's v3 mail service: `bulk` for runs, `single` for notices and tests, one reading of what it answers."""
