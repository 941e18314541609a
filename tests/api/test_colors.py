"""Whatever is written on a page can be read, in light and in dark (WCAG 2.2, contrast of AA)."""

import re
from importlib.resources import files

import pytest

CSS = (files("unenroll.api") / "pages" / "page.css").read_text("utf-8")
LIGHT, DARK = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part)) for part in CSS.split("@media", 2)[:2])
TEXTS = [
    *[(text, ground) for text in ("ink", "soft", "link", "kept", "cancelled", "cut") for ground in ("ground", "card")],
    *[("ink", band) for band in ("part", "now", "hatch-ground", "hatch-line", "stay", "due")],
    *[("on-kept", "kept"), ("on-cancelled", "cancelled")],
]
DRAWN = [(mark, "card") for mark in ("kept", "cancelled", "cut", "link")]


def luminance(color: str) -> float:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_dark_page_names_each_color_anew() -> None:
    assert set(DARK) == set(LIGHT)
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("colors", [LIGHT, {**LIGHT, **DARK}], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXTS)
def test_text_has_the_contrast_to_be_read(colors: dict[str, str], text: str, ground: str) -> None:
    assert contrast(colors[text], colors[ground]) >= 4.5


@pytest.mark.parametrize("colors", [LIGHT, {**LIGHT, **DARK}], ids=["light", "dark"])
@pytest.mark.parametrize(("mark", "ground"), DRAWN)
def test_what_is_drawn_has_the_contrast_to_be_seen(colors: dict[str, str], mark: str, ground: str) -> None:
    assert contrast(colors[mark], colors[ground]) >= 3
