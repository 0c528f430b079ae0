from __future__ import annotations

from pathlib import Path

import pytest

from digest import config
from digest.config import Settings, Site
from digest.errors import ConfigError, Refused

ADDRESS = "100 Example Street NW, Washington, DC 20000"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests reaches them."""
    for name in ("SITE__NAME", "SITE__URL", "DATABASE__URL", "TRANSPORT__KIND", "HOME"):
        monkeypatch.delenv(f"DIGEST_{name}", raising=False)


def load(folder: Path, text: str) -> Settings:
    (folder / config.FILE).write_text(text, encoding="utf-8")
    return config.load(folder)


def faults(folder: Path, text: str) -> list[str]:
    """What is wrong with the text, each without the name of the file that begins it."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    prefix = f"{folder / config.FILE}: "
    assert all(fault.startswith(prefix) for fault in caught.value.faults)
    return [fault.removeprefix(prefix) for fault in caught.value.faults]


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Settings()


def test_the_file_says_what_holds(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        '[site]\nname = "News"\nurl = "https://news.example.org/"\nlanguages = ["en", "es"]\n'
        '[[site.calls_to_action]]\ntitle = "Ask"\nlink = "/ask"\nlabel = "Ask us"\n'
        '[transport]\nonly_to = ["staff@example.org"]\n',
    )
    assert settings.site.name == "News"
    assert settings.site_url == "https://news.example.org"
    assert settings.site.languages == ("en", "es")
    assert [call.label for call in settings.site.calls_to_action] == ["Ask us"]
    assert settings.transport.only_to == ("staff@example.org",)


def test_every_fault_is_told_at_once_by_its_name(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        '[site]\nurl = "news.example.org"\ntime_zone = "Washington"\nnmae = "News"\n'
        '[engine]\nkind = "magic"\n[trnasport]\nkind = "maildir"\n',
    )
    names = [fault.split(":")[0] for fault in found]
    assert sorted(names) == [
        "[trnasport] is no section; known are site, database, engine, transport, pace, sign_up, intake, feeds, staff, "
        "looks",
        "engine.kind",
        "site.nmae",
        "site.time_zone",
        "site.url",
    ]
    told = "\n".join(found)
    assert "site.url: must be a full address such as https://news.example.org" in told
    assert "site.time_zone: 'Washington' is no time zone; write one such as America/New_York" in told


@pytest.mark.parametrize(
    "url", ["ftp://example.org", "https://", "https://example.org/?a=b", "https://example.org/#top", "//example.org"]
)
def test_a_site_address_that_links_cannot_be_built_on_is_a_fault(tmp_path: Path, url: str) -> None:
    assert faults(tmp_path, f'[site]\nurl = "{url}"\n') == [
        "site.url: must be a full address such as https://news.example.org"
    ]


@pytest.mark.parametrize("zone", ["", "../../etc/passwd", "America/Nowhere", "/etc/localtime"])
def test_what_is_no_time_zone_is_a_fault(tmp_path: Path, zone: str) -> None:
    (fault,) = faults(tmp_path, f'[site]\ntime_zone = "{zone}"\n')
    assert fault.startswith(f"site.time_zone: {zone!r} is no time zone")


def test_a_file_that_is_no_toml_is_a_fault_with_its_line(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, '[site]\nname = "News\n')
    assert "line 2" in fault


def test_a_file_that_is_no_text_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / config.FILE).write_bytes(b"\xff\xfe[site]")
    with pytest.raises(ConfigError, match=config.FILE):
        config.load(tmp_path)


def test_a_folder_that_was_never_set_up_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"digest --home .* setup"):
        config.load(tmp_path)


def test_the_environment_wins_over_the_file_key_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SITE__NAME", "From outside")
    monkeypatch.setenv("DIGEST_TRANSPORT__KIND", "outbox")
    settings = load(tmp_path, '[site]\nname = "News"\norganization = "The Task Force"\n')
    assert settings.site.name == "From outside"
    assert settings.site.organization == "The Task Force"
    assert settings.transport.kind == "outbox"


def test_a_fault_in_the_environment_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SITE__URL", "nowhere")
    (fault,) = faults(tmp_path, "")
    assert fault.startswith("site.url: ")


def test_settings_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    settings = load(tmp_path, "")
    with pytest.raises(ValueError, match="frozen"):
        settings.site.name = "Other"


def test_the_database_is_in_the_home_unless_set(tmp_path: Path) -> None:
    assert config.database_url(Settings(), tmp_path) == f"sqlite:///{tmp_path}/digest.db"
    set_ = load(tmp_path, '[database]\nurl = "postgresql://db/digest"\n')
    assert config.database_url(set_, tmp_path) == "postgresql://db/digest"


def test_the_home_is_the_option_then_the_environment_then_var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert config.home_from() == tmp_path / "var"
    monkeypatch.setenv("DIGEST_HOME", str(tmp_path / "elsewhere"))
    assert config.home_from() == tmp_path / "elsewhere"
    assert config.home_from("here") == tmp_path / "here"


@pytest.mark.parametrize(
    ("url", "address", "told"),
    [
        ("https://news.example.org", ADDRESS, []),
        ("http://127.0.0.1:8080", ADDRESS, []),
        ("http://localhost", ADDRESS, []),
        ("http://[::1]:8080", ADDRESS, []),
        ("http://news.example.org", ADDRESS, ["https"]),
        ("http://127.example.org", ADDRESS, ["https"]),
        ("https://news.example.org", " ", ["postal"]),
        ("http://news.example.org", "", ["https", "postal"]),
    ],
)
def test_what_must_be_set_before_anything_is_sent(url: str, address: str, told: list[str]) -> None:
    found = config.sending_faults(Settings(site=Site(url=url, address=address)))
    assert len(found) == len(told)
    assert all(word in fault for word, fault in zip(told, found, strict=True))
