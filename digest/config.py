"""`digest.toml` and the DIGEST_* environment become one frozen `Settings`.

Promises: every key of the file can also be given as DIGEST_SECTION__KEY; all faults are reported at once, each with
the name of the setting; unknown settings in the file are faults, since a mistyped one would be ignored silently.
Refuses: to send over an http:// site address (except loopback) or without a postal address (`sending_faults`).
"""

from __future__ import annotations

import ipaddress
import os
import re
import string
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from digest.errors import ConfigError, Refused

FILE = "digest.toml"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CallToAction(_Section):
    """One of the site's invitations, as on the foot of pages and mails."""

    title: str
    text: str = ""
    link: str
    label: str


class Site(_Section):
    """Who publishes, where, and in which languages and zone."""

    name: str = "Digest"
    organization: str = ""
    lead: str = ""  # the home page's one sentence
    url: str = "http://127.0.0.1:8080"
    address: str = ""  # postal, in one line
    language: str = "en"
    languages: tuple[str, ...] = ("en",)
    time_zone: str = "UTC"
    questions_to: str = ""
    staff_to: str = ""
    press_contact: str = ""
    calls_to_action: tuple[CallToAction, ...] = ()
    trusted_proxies: tuple[str, ...] = ()

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be a full address such as https://news.example.org")
        return value.rstrip("/")

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone; write one such as America/New_York") from None
        return value


class DatabaseSection(_Section):
    """Where the tables live; empty means `digest.db` in the home."""

    url: str = ""


class Engine(_Section):
    """Where batches run."""

    kind: Literal["embedded"] = "embedded"


class SmtpSection(_Section):
    """The mail server that mail is handed over to. Port 0: as `security` has it (587, 465, 25)."""

    host: str = "localhost"
    port: int = Field(default=0, ge=0, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password_file: str = ""
    connections: int = Field(default=8, ge=1, le=100)
    envelope_domain: str = ""  # bounces come to b-TOKEN@ this domain


class SendGridSection(_Section):
    """The account at SendGrid; `base_url` is for a stand-in, else the region names the host."""

    api_key_file: str = ""
    base_url: str = ""
    region: Literal["global", "eu"] = "global"
    max_per_request: int = Field(default=500, ge=1, le=1000)
    connections: int = Field(default=6, ge=1, le=8)
    webhook_public_keys: tuple[str, ...] = ()


class TransportSection(_Section):
    """Who carries the mail."""

    kind: str = "maildir"
    only_to: tuple[str, ...] = ()
    smtp: SmtpSection = SmtpSection()
    sendgrid: SendGridSection = SendGridSection()


class PaceSection(_Section):
    """How fast mail goes out, in all processes together. 0 and empty: as fast as the carrier takes it."""

    per_second: float = Field(default=0.0, ge=0)
    per_domain: dict[str, float] = {}  # mails a second to one domain; "*" is for each that is not named
    warm_up: tuple[tuple[int, int], ...] = ()  # (day of sending, mails on that day at most), until the last day named
    hours: str = ""  # such as 8-20, in the site's zone

    @field_validator("hours")
    @classmethod
    def _hours(cls, value: str) -> str:
        first, dash, last = value.replace(" ", "").partition("-")
        if value and not (dash and first.isdecimal() and last.isdecimal() and int(first) < int(last) <= 24):
            raise ValueError("must be two hours of a day such as 8-20")
        return value.replace(" ", "")

    @field_validator("per_domain")
    @classmethod
    def _rates(cls, value: dict[str, float]) -> dict[str, float]:
        if any(rate <= 0 for rate in value.values()):
            raise ValueError("each rate must be above 0; leave a domain out to let it go as fast as it can")
        return {name.lower(): rate for name, rate in value.items()}

    @field_validator("warm_up")
    @classmethod
    def _days(cls, value: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        days = [day for day, _ in value]
        if any(day < 1 or most < 1 for day, most in value) or days != sorted(set(days)):
            raise ValueError("must be [day, mails] pairs with rising days from 1, such as [[1, 200], [2, 500]]")
        return value


class SignUpSection(_Section):
    """How people may ask for mail by themselves, and how much asking is too much. Limits count in all processes."""

    per_network: int = Field(default=20, ge=1)  # asks an hour from one network (IPv4 /24, IPv6 /56)
    per_site: int = Field(default=500, ge=1)  # asks an hour in all
    role_addresses: bool = True  # whether info@, office@ and the like may sign up
    refused_domains: tuple[str, ...] = ()  # such as those that lend addresses for an hour
    keep_network_days: int = Field(default=90, ge=1)  # how long the evidence keeps address and browser of who asked
    consent: dict[str, str] = {}  # by language: what people agree to, where it is not the program's own sentence

    @field_validator("refused_domains")
    @classmethod
    def _domains(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name.strip().lower().lstrip("@") for name in value)

    @field_validator("consent")
    @classmethod
    def _sentences(cls, value: dict[str, str]) -> dict[str, str]:
        for language, sentence in value.items():
            try:
                named = {name for _, name, *_ in string.Formatter().parse(sentence) if name is not None}
            except ValueError:
                named = {""}
            if not sentence.strip() or len(sentence) > 1000 or named - {"organization"}:
                raise ValueError(f"{language}: must be a sentence, in which {{organization}} may stand for your name")
        return value


class IntakeSection(_Section):
    """How items come in from other hosts."""

    inner_networks: tuple[str, ...] = ()  # networks that may be asked although they are not public
    check_minutes: int = Field(default=60, ge=5, le=7 * 24 * 60)  # between two looks at a watched source

    @field_validator("inner_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            ipaddress.ip_network(one)
        return value


class FeedsSection(_Section):
    """How feeds reach readers."""

    hub: str = ""  # the WebSub hub that is told of changes

    @field_validator("hub")
    @classmethod
    def _hub(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment or "@" in value):
            raise ValueError("must be a full address such as https://hub.example.org/")
        return value


class StaffSection(_Section):
    """Who works in the console."""

    second_factor: Literal["offered", "demanded"] = "offered"
    undo_minutes: int = Field(default=5, ge=0, le=60)  # in which a send from the console can be stopped
    second_approval: bool = False  # whether what is sent by hand, and each letter, waits for somebody else's approval


class LooksSection(_Section):
    """What a site has of its own: one color by day and one by night, and a picture beside its name."""

    accent: str = ""  # empty: the design's
    accent_dark: str = ""
    logo: str = ""  # a file below media/
    logo_alt: str = ""  # what it shows, for those who do not see it

    @field_validator("accent", "accent_dark")
    @classmethod
    def _color(cls, value: str) -> str:
        if value and not re.fullmatch("#[0-9a-fA-F]{6}", value):
            raise ValueError("must be a color in six digits such as #0b5663")
        return value.lower()


class Settings(BaseSettings):
    """Everything that is set for one home."""

    model_config = SettingsConfigDict(
        env_prefix="DIGEST_",
        env_nested_delimiter="__",
        frozen=True,
        extra="ignore",
        nested_model_default_partial_update=True,
    )

    site: Site = Site()
    database: DatabaseSection = DatabaseSection()
    engine: Engine = Engine()
    transport: TransportSection = TransportSection()
    pace: PaceSection = PaceSection()
    sign_up: SignUpSection = SignUpSection()
    intake: IntakeSection = IntakeSection()
    feeds: FeedsSection = FeedsSection()
    staff: StaffSection = StaffSection()
    looks: LooksSection = LooksSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file (which arrives as init arguments)."""
        return (EnvSettingsSource(settings_cls), init_settings)

    @property
    def site_url(self) -> str:
        return self.site.url


def home_from(option: str | Path | None = None) -> Path:
    """The home folder: the option, else DIGEST_HOME, else `var` in the current folder."""
    return Path(option or os.environ.get("DIGEST_HOME") or "var").resolve()


def load(home: Path) -> Settings:
    """The settings of `home`. Raises ConfigError with every fault, Refused when the home was never set up."""
    path = home / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Refused(f"There is no {path}. Make the home first with `digest --home {home} setup`.") from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: {error}"]) from error
    return understood(text, path)


def understood(text: str, path: Path) -> Settings:
    """What the text of the file at `path` says, with the environment. Raises ConfigError with every fault."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: {error}"]) from error
    faults = {
        f"[{section}]": f"is no section; known are {', '.join(Settings.model_fields)}"
        for section in given
        if section not in Settings.model_fields
    }
    told = [f"{path}: {section} {why}" for section, why in faults.items()]
    try:
        settings = Settings(**{key: value for key, value in given.items() if key in Settings.model_fields})
    except ValidationError as error:
        named = [_fault(detail) for detail in error.errors()]
        told += [f"{path}: {key}: {why}" for key, why in named]
        raise ConfigError(told, faults | dict(named)) from error
    if faults:
        raise ConfigError(told, faults)
    return settings


def given_outside() -> Mapping[str, Any]:
    """What the environment of this process sets, by section: it wins over the file."""
    return EnvSettingsSource(Settings)()


def _fault(detail: Any) -> tuple[str, str]:
    """The setting that is wrong, and why."""
    where = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return where, "is no setting; docs/reference/settings.md lists those there are"
    return where, detail["msg"].removeprefix("Value error, ")


def database_url(settings: Settings, home: Path) -> str:
    """The database's address: as set, or SQLite in the home."""
    return settings.database.url or f"sqlite:///{home / 'digest.db'}"


def is_loopback(url: str) -> bool:
    """Whether the address names this machine only."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def sending_faults(settings: Settings) -> list[str]:
    """What must be set before anything may be sent; empty when nothing is missing."""
    faults = []
    if settings.site.url.startswith("http://") and not is_loopback(settings.site.url):
        faults.append(
            "[site] url begins with http://: unsubscribe links must be https (RFC 8058). Set an https address."
        )
    if not settings.site.address.strip():
        faults.append("[site] address is empty: the law asks for a postal address in every mail. Set it.")
    return faults
