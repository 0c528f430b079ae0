"""The site: pages and feeds for everyone, over HTTP."""
