"""The page on which a visitor reaches a person: a form when the settings name an address, and the post for all.

Promises: what was typed stays when something is wrong with it. Refuses: what `questions` refuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from litestar import Response, route
from litestar.concurrency import sync_to_thread

from digest.errors import BadInput
from digest.languages import Language
from digest.web import forms, look
from digest.web.forms import Form
from digest.web.look import Site, WebRequest
from subscribers import questions, suppression
from subscribers.pages import frame
from subscribers.questions import Question


@dataclass(frozen=True)
class Typed:
    """The form as somebody filled it in."""

    question: str = ""
    name: str = ""
    email: str = ""
    public: bool = False


# One handler for both methods: Litestar 2.25 wraps a handler twice when a second one joins its path.
@route("/ask", http_method=["GET", "POST"], status_code=200)
async def ask(request: WebRequest) -> Response[str]:
    """How to reach a person; POST sends a question."""
    if request.method == "POST":
        return await sync_to_thread(_ask, request, await forms.read(request))
    return await sync_to_thread(_page, look.of(request), look.language_of(request), Typed())


def _ask(request: WebRequest, form: Form) -> Response[str]:
    site, language = look.of(request), look.language_of(request)
    say, came = frame.speaker(site, language), form.typed("question", "name", "email", "public")
    typed = Typed(came["question"], came["name"], came["email"], came["public"] == "yes")
    try:
        typed = Typed(
            form.text("question", most=questions.LONGEST),
            form.one("name", most=100),
            form.one("email", most=254),
            form.one("public") == "yes",
        )
        question = _question(say, typed, frame.client(request)[0])
    except BadInput as error:
        return _page(site, language, typed, wrong=frame.faults(error.problem), status=400)
    if not form.one(frame.TRAP):
        later = site.home.db.run(partial(questions.send, home=site.home, question=question, now=site.clock()))
        if later:
            return _page(site, language, typed, later=say.hour(later.astimezone(site.zone)), status=429)
    return _page(site, language, Typed(), done=True)


def _question(say: Language, typed: Typed, ip: str) -> Question:
    """Raises BadInput naming the field."""
    if not typed.question:
        raise BadInput("question", say.gettext("There is no question."), say.gettext("Write it in your own words."))
    try:
        address = suppression.address(typed.email)
    except BadInput as error:
        why = say.gettext("No answer can be sent to this address.")
        raise BadInput("email", why, say.gettext("Write it as in name@example.org.")) from error
    return Question(address, typed.name, typed.question, typed.public, ip)


def _page(
    site: Site,
    language: str,
    typed: Typed,
    *,
    wrong: dict[str, str] | None = None,
    later: str = "",
    done: bool = False,
    status: int = 200,
) -> Response[str]:
    return site.page(
        "public/ask.html",
        status=status,
        language=language,
        headers=frame.NO_STORE,
        typed=typed,
        wrong=wrong or {},
        later=later,
        done=done,
        longest=questions.LONGEST,
    )


HANDLERS: list[Any] = [ask]
