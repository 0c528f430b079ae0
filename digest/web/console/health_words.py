"""The health of our mail in words: each finding with what it means, what to do, and who can.

Promises: a figure that cannot be known is said to be not known and never to be fine; a share of a handful is no share.
Serves the page on the health of the mail.
"""

from __future__ import annotations

from dataclasses import dataclass

from digest.clock_passes import Heard
from digest.config import PaceSection
from digest.delivery import arrival, providers
from digest.delivery.allowance import Allowance
from digest.delivery.arrival import GONE, LATE, REFUSED, Fare
from digest.web.console import charts, frame
from digest.web.look import Site

FINE, LOOK, FIX, UNKNOWN = "fine", "look", "fix", "unknown"
SPAM_LIMIT, SPAM_NEVER = 0.001, 0.003  # of what is accepted: Google's guidelines for senders of much mail
HOST, YOU = "Whoever looks after the mail server, often your web host", "You"
LIMIT = f"{arrival.LIMIT:.0%}".replace("%", " %")


@dataclass(frozen=True)
class Finding:
    """One line: how it stands, in words; what that means, what to do about it, who can, and its figure."""

    level: str  # FINE, LOOK, FIX, UNKNOWN
    said: str
    means: str = ""
    do: str = ""
    who: str = ""
    figure: str = ""


def percent(share: float) -> str:
    """A share in words: "1.3 %"."""
    return f"{share * 100:.1f} %"


# --- the sending -----------------------------------------------------------------------------------------------


def sending(site: Site, heard: Heard, allowed: Allowance, *, anything: bool) -> list[Finding]:
    """Whether the scheduler runs, the mail server takes mail, and the pace lets it go."""
    return [_scheduler(site, heard), _server(site, allowed, anything=anything), *_patience(site, allowed)]


def _scheduler(site: Site, heard: Heard) -> Finding:
    if heard.silent:
        return Finding(
            FIX,
            "The scheduler is silent.",
            "Nothing goes out by itself while it does not run.",
            "Start “digest serve” again, or the “digest run” that cron was to call.",
            "Whoever looks after the server",
            figure="never" if heard.last is None else frame.moment(site, heard.last),
        )
    last = frame.moment(site, heard.last) if heard.last else ""
    return Finding(FINE, "The scheduler runs.", figure=f"last pass {last}")


def _server(site: Site, allowed: Allowance, *, anything: bool) -> Finding:
    shut = allowed.shut
    if shut is not None and shut.wait is not None:
        until = frame.moment(site, shut.wait)
        if shut.carrier:
            return Finding(
                LOOK,
                "The mail server takes nothing just now.",
                f"{shut.why} It is asked again by itself, and nobody is missed.",
                "Wait. If it lasts longer than an hour, ask.",
                HOST,
                figure=f"until {until}",
            )
        means = f"{shut.why} What is due waits, and goes on by itself."
        return Finding(LOOK, "Mail waits, as the pace is set.", means, figure=f"until {until}")
    if not anything:
        return Finding(UNKNOWN, "Whether the mail server takes mail is not known: none was sent yet.")
    return Finding(FINE, "Nothing keeps mail from going.")


def _patience(site: Site, allowed: Allowance) -> list[Finding]:
    """Of the large ones the domain is named: a small one may name a person."""
    found = []
    for one in allowed.patient:
        known = providers.of(one.domain)
        who = "One small domain" if known == providers.OTHERS else f"{providers.NAMES[known]} ({one.domain})"
        means = "Its mail waits and the others go on. It is asked again by itself."
        do = "Nothing now. If it comes again at each edition, set a lower rate for this domain."
        until = f"until {frame.moment(site, one.until)}"
        found.append(Finding(LOOK, f"{who} asked us to slow down.", means, do, YOU, until))
    return found


def pace(settings: PaceSection, kind: str) -> list[tuple[str, str]]:
    """How fast mail may go, as it is set."""
    rate = f"{settings.per_second * 60:,g} mails a minute" if settings.per_second else "as fast as the server takes it"
    lines = [("Mail goes through", kind), ("In all", rate)]
    for domain, each in settings.per_domain.items():
        lines.append((f"To {'each other domain' if domain == '*' else domain}", f"{each * 60:,g} mails a minute"))
    hours = settings.hours
    return [*lines, ("Hours", f"{hours.replace('-', ':00 to ')}:00" if hours else "day and night")]


# --- the mail providers ----------------------------------------------------------------------------------------


def of_provider(fare: Fare) -> list[Finding]:
    """What can be said of one provider, the gravest first."""
    if not fare.tells:
        few = f"Too few to tell: a share means something from {arrival.ENOUGH} mails on."
        return [Finding(UNKNOWN, few, figure=f"{fare.handed:,} mails")]
    found = [_BEYOND[codes](fare, percent(fare.share(codes))) for codes in fare.beyond()]
    if not found and (span := fare.worse) is not None:
        days = charts.stretch(span.first, span.last)
        means = f"Of {span.handed:,} mails then {span.failed:,} failed; over the whole time it is less than {LIMIT}."
        do = "See below why mail failed, and look at the shorter time."
        found.append(
            Finding(LOOK, f"Of late more fails than {LIMIT}.", means, do, YOU, f"{percent(span.share or 0)}, {days}")
        )
    if not found:
        share = percent(fare.accepted / fare.handed)
        found.append(Finding(FINE, "It takes our mail.", figure=f"{share} accepted"))
    return found


def _refused(fare: Fare, share: str) -> Finding:
    return Finding(
        FIX,
        f"It refuses our mail for what it is: more than {LIMIT}.",
        "It distrusts our name or our server, and not single readers. An edition pauses by itself at that share.",
        "Read what it says in the edition's table of failed ones. Mostly a record of the sender's domain (SPF, DKIM or "
        "DMARC) is missing, or too much mail came at once.",
        f"{HOST}, and whoever keeps the domain",
        share,
    )


def _gone(fare: Fare, share: str) -> Finding:
    return Finding(
        LOOK,
        f"Many addresses do not exist: more than {LIMIT}.",
        "A list with many dead addresses looks bought. They are on the do-not-mail list now and get nothing more.",
        "Think of where these people came from. Do not bring in that list again.",
        YOU,
        share,
    )


def _late(fare: Fare, share: str) -> Finding:
    return Finding(
        LOOK,
        f"It put off our mail until it was too late: more than {LIMIT}.",
        "It takes less at a time than we send. What was in these mails goes with their next edition.",
        "Set a lower rate for its domains, or spread the hours.",
        "Whoever looks after the server",
        share,
    )


_BEYOND = {REFUSED: _refused, GONE: _gone, LATE: _late}


def spam(known: int, accepted: int) -> Finding:
    """What is known of readers who marked our mail as spam: at best a part of them."""
    limits = "Google asks for less than 0.1 %, and never 0.3 % or more."
    means = f"Mail providers count it, and do not tell us. {limits}"
    do = "Look at Google Postmaster Tools and Yahoo Sender Hub, which tell whoever proves that the domain is theirs."
    who = "Whoever keeps the domain"
    if not known:
        return Finding(UNKNOWN, "How many marked it as spam is not known.", means, do, who)
    many = f"{known:,} {'address' if known == 1 else 'addresses'} came to the do-not-mail list as marked as spam"
    if accepted * SPAM_LIMIT < 1:
        return Finding(UNKNOWN, f"{many}: too few mails to tell a share.", means, do, who, f"{known:,}")
    share = known / accepted
    level = FIX if share >= SPAM_NEVER else LOOK if share >= SPAM_LIMIT else UNKNOWN
    said = f"{many}, and there may be more."
    return Finding(level, said, f"{limits} {means.partition('. ')[0]}.", do, who, f"at least {share * 100:.2f} %")
