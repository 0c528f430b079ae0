"""Digest: dated items become feeds and an e-mail digest, each subscriber exactly once."""

__version__ = "0.1.0"
