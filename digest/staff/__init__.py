"""Who works here: accounts with a role, their passwords and second factors, their sessions, and the record of deeds."""
