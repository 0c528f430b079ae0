"""What a page tells programs of itself: its one address, a description, the card that messengers show, and
structured data in the vocabulary of schema.org (JSON-LD).

Promises: addresses are absolute and made from the settings; everything here is plain data that templates escape,
for attributes and for JSON alike. Says nothing that the page does not say. Pages without a card are those that no
search shall keep: errors, later pages of a list, and whatever is behind a link.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from digest.archive import Past
from digest.items import Attachment, Author, Item
from digest.listings import Filter
from digest.publications import Topic
from digest.web import look
from digest.web.look import Site

Data = dict[str, Any]


@dataclass(frozen=True)
class Card:
    """See the module. `data` are the JSON-LD objects; a title or description that is empty is the page's own."""

    address: str
    kind: str = "website"  # of Open Graph: website, article
    title: str = ""
    description: str = ""
    image: str = ""
    image_alt: str = ""
    published: str = ""
    modified: str = ""
    data: tuple[Data, ...] = ()


def of_page(site: Site, path: str) -> Card:
    """The card of a page of which there is nothing special to say."""
    return Card(site.home.settings.site.url + path)


def of_home(site: Site, wanted: Filter) -> Card:
    """The home page; filtered it has an address of its own, and is no front door."""
    settings = site.home.settings.site
    asked = {key: value for key, value in (("kind", wanted.kind), ("topic", wanted.topic)) if value}
    if asked:
        return Card(f"{settings.url}/?{urlencode(asked)}")
    search = {
        "@type": "SearchAction",
        "target": {"@type": "EntryPoint", "urlTemplate": f"{settings.url}/search?q={{question}}"},
        "query-input": "required name=question",
    }
    data = _data("WebSite", name=settings.name, url=f"{settings.url}/", publisher=_publisher(site))
    return Card(f"{settings.url}/", description=settings.lead, data=(data | {"potentialAction": search},))


def of_topic(site: Site, topic: Topic) -> Card:
    """A topic, below all topics."""
    way = _way(site, ("/topics/", "Topics"), (f"/topics/{topic.slug}", topic.name))
    address = f"{site.home.settings.site.url}/topics/{topic.slug}"
    return Card(address, title=topic.name, description=topic.description, data=(way,))


def of_year(site: Site, year: int) -> Card:
    """A year of the archive."""
    way = _way(site, ("/archive/", "Archive"), (f"/archive/{year}", str(year)))
    return Card(f"{site.home.settings.site.url}/archive/{year}", data=(way,))


def of_edition(site: Site, edition: Past) -> Card:
    """A past edition, below all of them."""
    path = f"/editions/{edition.number}"
    way = _way(site, ("/editions/", "Past editions"), (path, f"{edition.name}, {edition.day}"))
    return Card(site.home.settings.site.url + path, data=(way,))


def of_item(site: Site, item: Item, topic_names: Mapping[str, str]) -> Card:
    """An item: an article with its authors, dates, picture and PDF, below its first topic."""
    address = f"{site.home.settings.site.url}/items/{item.slug}"
    image = next((file for file in item.attachments if file.role == "image"), None)
    published = _published(item)
    article = _data(
        "Article",
        headline=item.title,
        description=item.excerpt,
        datePublished=published,
        dateModified=item.updated_on or published,
        inLanguage=item.language,
        author=[_author(site, author) for author in item.authors],
        publisher=_publisher(site),
        mainEntityOfPage=item.canonical_url or address,
        image=_whole(site, image) if image else "",
        encoding=_pdf(site, item.pdf) if item.pdf else None,
    )
    above = [(f"/topics/{slug}", topic_names.get(slug, slug)) for slug in item.topics[:1]]
    return Card(
        item.canonical_url or address,
        kind="article",
        title=item.title,
        description=item.excerpt,
        image=_whole(site, image) if image else "",
        image_alt=image.alt if image else "",
        published=published,
        modified=item.updated_on or "",
        data=(article, _way(site, *above, (f"/items/{item.slug}", item.title))),
    )


def _published(item: Item) -> str:
    """The moment where it is known, else the day; nothing while the year is not known."""
    if item.date_precision == "instant" and item.published_at:
        return item.published_at.isoformat()
    return item.day.isoformat() if item.day else ""


def _author(site: Site, author: Author) -> Data:
    settings = site.home.settings.site
    if author.name in (settings.organization, settings.name):
        return _part("Organization", name=author.name)
    works_for = _part("Organization", name=author.organization) if author.organization else None
    return _part("Person", name=author.name, jobTitle=author.role, affiliation=works_for)


def _publisher(site: Site) -> Data:
    settings = site.home.settings.site
    return _part("Organization", name=settings.organization or settings.name, url=f"{settings.url}/")


def _pdf(site: Site, file: Attachment) -> Data:
    whole = _whole(site, file)
    return _part("MediaObject", contentUrl=whole, encodingFormat=file.media_type, contentSize=str(file.size))


def _whole(site: Site, file: Attachment) -> str:
    link = look.file_link(file)
    return site.home.settings.site.url + link if link.startswith("/") else link


def _way(site: Site, *steps: tuple[str, str]) -> Data:
    """Where the page stands, from the home page down."""
    url = site.home.settings.site.url
    whole: Sequence[tuple[str, str]] = (("/", site.home.settings.site.name), *steps)
    places = [_part("ListItem", position=n, name=name, item=url + path) for n, (path, name) in enumerate(whole, 1)]
    return _data("BreadcrumbList", itemListElement=places)


def _data(kind: str, **said: Any) -> Data:
    return {"@context": "https://schema.org"} | _part(kind, **said)


def _part(kind: str, **said: Any) -> Data:
    return {"@type": kind} | {key: value for key, value in said.items() if value}
