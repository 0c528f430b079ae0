"""What staff name is read: by the rules of their digest, and with no transaction that waits for a host."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.pool import QueuePool

from digest.db import Database
from digest.drafts import Draft
from digest.errors import NotFound
from digest.home import Home
from digest.intake import uploads, ways
from tests.conftest import NOW
from tests.sources_world import SETTINGS, Watch, read_here
from tests.stage import KEYS
from tests.standins.feed_host import feed_host, post, rss


def test_a_host_is_asked_while_no_transaction_is_open(
    either_db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_here(monkeypatch)
    watch, open_then = Watch(either_db, tmp_path), list[int]()

    def look() -> None:
        pools = (watch.home.db.read.pool, watch.home.db.write.pool)
        open_then.append(sum(pool.checkedout() for pool in pools if isinstance(pool, QueuePool)))

    with feed_host() as host:
        host.says(rss(post(1, "First", NOW)), during=look)
        drafts = ways.read(watch.home, host.feed, ways.FEED, digest="weekly", now=NOW, files=uploads.NONE)
        assert [draft.title for draft in drafts if isinstance(draft, Draft)] == ["First"]
    assert open_then == [0]


def test_without_a_digest_a_feed_is_read_without_rules_and_one_that_is_not_there_is_told(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_here(monkeypatch)
    home, file = Home(tmp_path, SETTINGS, KEYS, db), tmp_path / "feed.xml"
    file.write_bytes(rss(post(1, "First", NOW)))
    (draft,) = ways.read(home, str(file), ways.FEED, digest="", now=NOW, files=uploads.NONE)
    assert isinstance(draft, Draft)
    assert (draft.language, draft.kind, draft.topics) == ("en", "article", ())
    with pytest.raises(NotFound, match="There is no digest 'weekly'"):
        ways.read(home, str(file), ways.FEED, digest="weekly", now=NOW, files=uploads.NONE)
