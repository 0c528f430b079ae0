"""What the shell of a mail says, in a reader's language.

Promises: every word that a reader sees in a mail and no author wrote stands here, in English, and is said as the
language's catalog has it (`digest.languages`). Refuses: to translate what authors wrote.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

from digest import languages
from digest.languages import Language


class Words(Language):
    """A language that also knows the sentences of mails. Those with {names} are filled by whoever uses them."""

    # --- subject and heading

    @cached_property
    def small(self) -> frozenset[str]:
        """Words with which no shortened title may end."""
        words = self.pgettext(
            "no shortened title ends with one of these words",
            "a an and at but by for from in into of on or the to under vs with without",
        )
        return frozenset(words.split())

    def and_more(self, title: str, number: int) -> str:
        """The subject that names one item and says that `number` more come with it."""
        return self.ngettext("{title}, and one more", "{title}, and {n} more", number, title=title)

    def updated_title(self, title: str) -> str:
        """The title of an item that was changed."""
        return self.gettext("Updated: {title}", title=title)

    # --- above the items

    def label(self, cadence: str) -> str:
        """What kind of mail it is, by how often it comes."""
        return {
            "instant": self.gettext("Alert"),
            "daily": self.gettext("Daily digest"),
            "weekly": self.gettext("Weekly digest"),
            "monthly": self.gettext("Monthly digest"),
        }[cadence]

    def label_line(self, cadence: str, day: str) -> str:
        """The line above the heading of a digest."""
        return self.gettext("{label}, {day}", label=self.label(cadence), day=day)

    def mail_label(self, cadence: str, site: str) -> str:
        """What a screen reader calls a digest."""
        return self.gettext("{label} of {site}", label=self.label(cadence), site=site)

    @property
    def role(self) -> str:
        """What a screen reader says that it reads."""
        return self.pgettext("said by a screen reader", "email")

    def summary(self, new: int, updates: int, since: str) -> str:
        """How much is in a digest, since the day of the one before when there was one."""
        parts = []
        if new or not updates:
            parts.append(self.ngettext("{n} new item", "{n} new items", new))
        if updates:
            parts.append(self.ngettext("{n} update", "{n} updates", updates))
        what = parts[0] if len(parts) == 1 else self.gettext("{new} and {updates}", new=parts[0], updates=parts[1])
        if since:
            sentence = self.gettext("{what} in your topics since {day}.", what=what, day=since)
        else:
            sentence = self.gettext("{what} in your topics.", what=what)
        return sentence[:1].upper() + sentence[1:]

    def minutes(self, number: int) -> str:
        """How long it takes to read."""
        return self.ngettext("About {n} minute of reading.", "About {n} minutes of reading.", number)

    # --- items

    def kind(self, kind: str) -> str:
        """The kind of an item: as usual in this language when it is a usual one, else as it was written."""
        return self._kinds.get(kind, kind)

    @cached_property
    def _kinds(self) -> dict[str, str]:
        return {
            "article": self.pgettext("kind of item", "article"),
            "backgrounder": self.pgettext("kind of item", "backgrounder"),
            "comparison": self.pgettext("kind of item", "comparison"),
            "executive summary": self.pgettext("kind of item", "executive summary"),
            "fact sheet": self.pgettext("kind of item", "fact sheet"),
            "press release": self.pgettext("kind of item", "press release"),
            "profile": self.pgettext("kind of item", "profile"),
            "profiles": self.pgettext("kind of item", "profiles"),
            "report": self.pgettext("kind of item", "report"),
            "statement": self.pgettext("kind of item", "statement"),
            "white paper": self.pgettext("kind of item", "white paper"),
        }

    @property
    def updated(self) -> str:
        """Stands where an item that was changed would have its kind."""
        return self.gettext("Updated")

    def first_sent(self, day: str) -> str:
        """When an item that was changed was first news."""
        return self.gettext("first sent {day}", day=day)

    def changed(self, day: str = "") -> str:
        """Stands before what was changed in an item."""
        return self.gettext("Changed on {day}:", day=day) if day else self.gettext("Changed:")

    def by(self, names: str) -> str:
        """The authors."""
        return self.gettext("By {names}", names=names)

    @property
    def quoted(self) -> str:
        """A title inside a sentence: {title}."""
        return self.gettext("“{title}”")

    @property
    def read(self) -> str:
        """The link to an item: {title}."""
        return self.gettext("Read {title}")

    @property
    def read_plain(self) -> str:
        """Stands before the address of an item."""
        return self.gettext("Read")

    def pdf(self, size: int) -> str:
        """The link to a PDF; of one that lies elsewhere the size, 0, is not known."""
        return self.gettext("PDF, {size}", size=self.size(size)) if size else "PDF"

    @property
    def also(self) -> str:
        """The heading of the items that come as titles."""
        return self.gettext("More in your topics")

    def more_online(self, number: int) -> str:
        """The link to the items that did not fit."""
        return self.ngettext("and one more online", "and {n} more online", number)

    # --- below the items

    @property
    def reason(self) -> str:
        """Why a digest comes: {digest}, {asked} (a day)."""
        return self.gettext("You get this because you asked for the {digest} on {asked}.")

    def digest(self, cadence: str) -> str:
        """What was asked for, inside the sentence `reason`."""
        return {
            "instant": self.pgettext("asked for", "alerts"),
            "daily": self.pgettext("asked for", "daily digest"),
            "weekly": self.pgettext("asked for", "weekly digest"),
            "monthly": self.pgettext("asked for", "monthly digest"),
        }[cadence]

    def sent_to(self, address: str) -> str:
        """Whom a mail went to; the address may be a slot."""
        return self.gettext("Sent to {address}.", address=address)

    @property
    def fewer(self) -> str:
        """The first way out."""
        return self.gettext("Fewer, please")

    @property
    def change(self) -> str:
        """The way to one's choices."""
        return self.gettext("Change topics or how often")

    @property
    def unsubscribe(self) -> str:
        """The last way out."""
        return self.gettext("Unsubscribe")

    @property
    def on_web(self) -> str:
        """The link to the page of a mail."""
        return self.gettext("Read this digest on the web")

    # --- notices

    @property
    def if_button_fails(self) -> str:
        """Stands before the address that a button leads to."""
        return self.gettext("If the button does not work, open this address:")

    # --- the welcome of who is new

    def welcome(self, digest: str) -> str:
        """Subject and heading of the first mail; the digest by its name."""
        return self.gettext("Welcome to {digest}", digest=digest)

    def welcome_lead(self, day: str) -> str:
        """What a first mail is: the latest edition, of that day."""
        return self.gettext(
            "So that you need not wait: this is what we last sent in your topics, on {day}. "
            "From now on, what is new comes by itself.",
            day=day,
        )

    # --- letters

    def letter_from(self, name: str) -> str:
        """What a screen reader calls a letter."""
        return self.gettext("A letter from {name}", name=name)

    def letter_line(self, name: str, day: str) -> str:
        """The line above the heading of a letter."""
        return self.gettext("A letter from {name}, {day}", name=name, day=day)

    @property
    def letter_reason(self) -> str:
        """Why a letter comes: {what} (a digest or topics), {asked} (a day)."""
        return self.gettext("You get this letter because you asked for {what} on {asked}.")

    def letter_people(self, number: int) -> str:
        """How many a letter goes to."""
        return self.ngettext("It goes to {n} person.", "It goes to {n} people.", number)

    @property
    def letter_apart(self) -> str:
        """What a letter leaves alone."""
        return self.gettext("Your digest is not affected.")


@lru_cache(maxsize=512)
def of(tag: str) -> Words:
    """The words for whoever reads `tag` (such as "en" or "es-MX"); English for a language that we do not speak."""
    language = languages.of(tag)
    return Words(language.locale, language.catalog)
