"""The settings as the page asks for them: sections, and in each the fields with their words.

One table, so that a setting is added in one line. Of the staff section every field there is has one, whatever it is
called: one that has no words yet is named by its key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from digest import settable

LINE, TEXT, ONE_OF, YES = "line", "text", "one of", "yes"


@dataclass(frozen=True)
class Field:
    """One setting: how it is called and typed; `needed` when it may not be empty."""

    key: str
    label: str
    hint: str = ""
    look: str = LINE
    needed: bool = False
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Section:
    """Settings that are saved together. `guarded`: the password is asked for."""

    slug: str
    title: str
    lead: str
    fields: tuple[Field, ...]
    guarded: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(one.key for one in self.fields)


_STAFF_WORDS: Mapping[str, tuple[str, str]] = {
    "second_factor": ("The second step at sign-in", "Demanded: nobody works here before they have set it up."),
    "undo_minutes": ("Minutes to undo a send", "How long a send from the console can be stopped. 0 to 60."),
    "second_approval": ("Approval", "Whether a second person looks before mail goes out."),
}
_OPTION_WORDS: Mapping[str, str] = {
    "global": "Global",
    "eu": "European Union",
    "starttls": "Encrypted after the greeting (STARTTLS, usual on port 587)",
    "tls": "Encrypted from the start (TLS, usual on port 465)",
    "none": "Not encrypted: only for a server on this machine",
}


def _options(key: str) -> tuple[tuple[str, str], ...]:
    return tuple((one, _OPTION_WORDS.get(one, one.capitalize())) for one in settable.choices(key))


def _staff(key: str) -> Field:
    name = key.partition(".")[2]
    label, hint = _STAFF_WORDS.get(name, (name.replace("_", " ").capitalize(), ""))
    if settable.choices(key):
        return Field(key, label, hint, ONE_OF, options=_options(key))
    return Field(key, label, hint, YES if settable.field(key).annotation is bool else LINE)


NAMES = Section(
    "names",
    "Names, languages and zone",
    "What stands at the head of every page and mail.",
    (
        Field("site.name", "Name of the publication", needed=True),
        Field("site.organization", "Who publishes it", "It stands below the name, and before the postal address."),
        Field("site.lead", "The home page's one sentence"),
        Field("site.language", "Language of the pages", "A code such as en.", needed=True),
        Field("site.languages", "Languages of mail", "Codes such as en, es.", needed=True),
        Field("site.time_zone", "Time zone", "Such as America/New_York.", needed=True),
    ),
)
CONTACT = Section(
    "contact",
    "Postal address and people to reach",
    "The law asks for a postal address in every mail. It stands at the foot of pages, too.",
    (
        Field("site.address", "Postal address, in one line", "Mail cannot be sent without it."),
        Field("site.staff_to", "Address of your staff", "We write to it when something needs a person."),
        Field("site.questions_to", "Address for readers' questions", "Empty: no form, only the postal address."),
        Field("site.press_contact", "Address for the press"),
    ),
)
ADDRESS = Section(
    "address",
    "Address of the site",
    "Every link in mail begins with it, and the console works at no other. When it changes, everybody signs in anew.",
    (Field("site.url", "Address of the site", "Such as https://news.example.org.", needed=True),),
    guarded=True,
)
CARRIER = Section(
    "carrier",
    "Mail server",
    "Who carries your mail. What is under way is ended first when this changes; nothing is sent twice.",
    (
        Field("transport.kind", "Mail goes", look=ONE_OF),
        Field("transport.only_to", "Only to these addresses", "For a trial: nobody else is sent anything.", TEXT),
        Field("transport.smtp.host", "Name of the mail server", "Such as mail.example.org."),
        Field("transport.smtp.port", "Port", "0: the usual one."),
        Field("transport.smtp.security", "Encryption", look=ONE_OF, options=_options("transport.smtp.security")),
        Field("transport.smtp.username", "Account", "Empty: the server asks for none."),
        Field("transport.smtp.connections", "Connections at once", "1 to 100."),
        Field("transport.smtp.envelope_domain", "Domain where mail that comes back arrives", "Empty: the sender's."),
        Field("transport.sendgrid.region", "Region", look=ONE_OF, options=_options("transport.sendgrid.region")),
        Field(
            "transport.sendgrid.webhook_public_keys", "Keys with which SendGrid signs its events", "One a line.", TEXT
        ),
    ),
    guarded=True,
)
LOOKS = Section(
    "looks",
    "Colors and logo",
    "One color of your own, for links and buttons of pages and mails. The logo stands on pages; mails do without.",
    (
        Field("looks.accent", "Color by day", "Six digits such as #0b5663. Empty: ours."),
        Field("looks.accent_dark", "Color by night", "For those who prefer dark pages. Empty: ours."),
        Field("looks.logo_alt", "What the logo shows", "For those who do not see it. Empty: nothing but your name."),
    ),
)
SIGN_UP = Section(
    "sign-up",
    "Signing up, and how long it is kept",
    "Limits on asking, and who may ask.",
    (
        Field("sign_up.per_network", "Times an hour from one network"),
        Field("sign_up.per_site", "Times an hour in all"),
        Field("sign_up.role_addresses", "Addresses such as info@ and office@ may sign up", look=YES),
        Field("sign_up.refused_domains", "Domains that may not", "One a line: those that lend addresses.", TEXT),
        Field("sign_up.keep_network_days", "Days that the proof keeps network and browser of who asked"),
    ),
)
PACE = Section(
    "pace",
    "Pace",
    "How fast mail goes out, in all together. 0 and empty: as fast as it is taken.",
    (
        Field("pace.per_second", "Mails a second"),
        Field("pace.hours", "Hours in which mail may go", "Such as 8-20, in the site's zone. Empty: always."),
        Field("pace.per_domain", "Mails a second to one provider", "A line each: gmail.com = 20. * is any.", TEXT),
        Field("pace.warm_up", "Mails a day for a new sender", "A line each: 1: 200 is 200 on the first day.", TEXT),
    ),
)
OUTSIDE = Section(
    "outside",
    "Feeds and watched sites",
    "How often others are asked, and who is told of what is new.",
    (
        Field("intake.check_minutes", "Minutes between two looks at a watched site", "5 to 10080."),
        Field("feeds.hub", "Hub that is told of new items (WebSub)", "Empty: none."),
    ),
)
CONSOLE = Section(
    "console", "Work in the console", "For everybody who signs in.", tuple(map(_staff, settable.STAFF)), guarded=True
)

SECTIONS = (NAMES, CONTACT, ADDRESS, CARRIER, LOOKS, SIGN_UP, PACE, OUTSIDE, CONSOLE)
BY_SLUG = {section.slug: section for section in SECTIONS}
