"""The explanation of an account as an HTML page without scripts and external resources."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256

from jinja2 import Environment, PackageLoader, StrictUndefined

from unenroll.api import timeline
from unenroll.core.calendar import Calendar
from unenroll.explain import text as words
from unenroll.explain.stays import CycleState
from unenroll.explain.story import AccountStory
from unenroll.text import clock_time, escape_control, moment
from unenroll.wire.fields import instant_text


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page and its HTTP headers."""

    html: str
    headers: Mapping[str, str]


def explained_page(story: AccountStory, calendar: Calendar) -> Page:
    """The page of a story, with its timeline."""
    told = {cycles.fate for cycles in story.cycles}
    fates = [fate for fate in CycleState if fate in told]
    return _page("explained.html", story=story, drawing=timeline.timeline(story, calendar), fates=fates)


def not_found_page(sentence: str) -> Page:
    """The page for an unknown account, with this sentence."""
    return _page("nothing.html", sentence=sentence)


def _page(template: str, **content: object) -> Page:
    return Page(html=_pages().get_template(template).render(**content), headers=_headers())


@cache
def _headers() -> Mapping[str, str]:
    """A policy that allows only the page's own style, by its hash. It also stops markup that escaping has missed."""
    style = sha256(_pages().get_template("page.css").render().encode()).digest()
    policy = (
        "default-src 'none'",
        f"style-src 'sha256-{b64encode(style).decode()}'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


@cache
def _pages() -> Environment:
    """The templates: all values are escaped, and a missing value is an error."""
    pages = Environment(
        loader=PackageLoader("unenroll.api", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_plain,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.globals.update(words=words, sizes=timeline)
    pages.filters.update(moment=moment, clock_time=clock_time, instant=instant_text, day=_day)
    return pages


def _plain(value: object) -> object:
    """Text without control characters that hide or reverse what follows."""
    return escape_control(value) if type(value) is str else value


def _day(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%d %b %Y}"
