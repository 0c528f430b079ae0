"""Feeds as output."""
