"""JSON is answered, unless a page is liked better."""

import pytest

from unenroll.api.account_routes import prefers_page

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        FIREFOX,
        "TEXT/HTML; charset=utf-8",
        "text/*",
        "application/json;q=0.8, text/html;q=0.9",
        "application/json;q=0, */*",
        "text/html, nonsense, ;;;, a/b;q=2",
    ],
)
def test_a_page_goes_to_whom_likes_it_better(accept: str) -> None:
    assert prefers_page(accept)


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "application/json",
        "application/json, text/html",
        "text/html;q=0.5, */*",
        "text/html;q=0, */*;q=0.1",
        "text/html;q=high",
        "image/png",
        "html",
        "text/",
        "/html",
        "\N{SNOWMAN}/\N{SNOWMAN}",
    ],
)
def test_everybody_else_gets_json(accept: str | None) -> None:
    assert not prefers_page(accept)
