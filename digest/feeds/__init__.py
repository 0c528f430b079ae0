"""Items become RSS 2.0, Atom 1.0 and JSON Feed 1.1: for everything, for each topic, and for each kind of item.

Promises: the bytes depend on the settings and the items alone, so a file is rewritten only when something changed; ids
stay the same when the address of the site changes its scheme or port, and when an item is edited. Withdrawn,
unpublished and yearless items are in no feed; a topic without items still has one. Older items are in archives that
stay as they are. Plain files, which any web server can serve.
"""

from __future__ import annotations

from digest.feeds.collecting import EVERYTHING, kind_slug
from digest.feeds.files import FILE_NAME, STAMP, Built, build, follow, is_current, manifest

__all__ = ["EVERYTHING", "FILE_NAME", "STAMP", "Built", "build", "follow", "is_current", "kind_slug", "manifest"]
