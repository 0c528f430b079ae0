from __future__ import annotations

from pathlib import Path

import pytest

from digest import config, settable
from digest.config import StaffSection
from digest.errors import BadInput
from digest.settings_file import File
from digest.web.console import setting_fields
from tests.conftest import SETTINGS

KEYS = [key for section in setting_fields.SECTIONS for key in section.keys] + [settable.CALLS, settable.CONSENT]
FULL = f"""{SETTINGS}
[transport]
only_to = ["a@example.org", "b@example.org"]
[pace]
per_second = 2.5
per_domain = {{"gmail.com" = 20.0, "*" = 0.5}}
warm_up = [[1, 200], [5, 2000]]
hours = "8-20"
[sign_up]
consent = {{en = "Yes, {{organization}}"}}
refused_domains = ["mailinator.com"]
"""


@pytest.mark.parametrize("text", [FULL, ""])
def test_what_is_shown_is_read_back_as_it_is(text: str) -> None:
    settings = config.understood(text, Path("digest.toml"))
    shown = settable.texts(settings, KEYS)
    plain = {key: settable.understand(key, typed) for key, typed in shown.items() if typed or key != "site.name"}
    _, again = File(Path("digest.toml"), "").changed(plain)
    assert settable.texts(again, KEYS) == shown
    assert again == settings
    assert settable.mark(shown) == settable.mark(dict(reversed(shown.items())))


def test_every_field_of_the_staff_section_is_on_the_page() -> None:
    assert {key.partition(".")[2] for key in setting_fields.CONSOLE.keys} == set(StaffSection.model_fields)


def test_nothing_that_would_hand_over_the_machine_can_be_typed() -> None:
    for key in ("database.url", "site.trusted_proxies", "intake.inner_networks", "transport.sendgrid.base_url"):
        assert key not in KEYS
    assert not [key for key in KEYS if key.endswith("_file")]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("pace.per_second", "nan"),
        ("pace.per_second", "-1"),
        ("pace.per_second", "1e999"),
        ("pace.per_domain", "gmail.com = 0"),
        ("pace.per_domain", "= 5"),
        ("pace.per_domain", "gmail.com = nan"),
        ("pace.warm_up", "one: two"),
        ("pace.hours", "20-8"),
        ("sign_up.per_network", "2.5"),
        ("sign_up.role_addresses", "perhaps"),
        ("transport.smtp.security", "ssl"),
        ("transport.only_to", "a@example.org\nnobody"),
        ("site.url", "https://news.example.org/?a=b"),
        ("site.url", "javascript:alert(1)"),
        ("site.url", "https://[::1"),
        ("looks.accent", "red"),
        ("looks.accent", "#12345"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_key(key: str, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        settable.understand(key, text)
    assert caught.value.problem.where == key
    assert caught.value.problem.remedy
