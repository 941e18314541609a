"""The pages in a browser: whole on a phone and on a desk, in light and in dark, for everybody (`make test-browser`)."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

import pytest

from browser.serving import served
from support import accounts as hostile
from support.batch_decisions import decide
from support.databases import cloned_database
from support.files import write_file
from support.stories import EXAMPLES, decide_examples, path
from unenroll.sandbox.servers import ServerAddresses

pytestmark = pytest.mark.browser
SHOTS = Path(__file__).parents[2] / ".cache" / "pages"
HOSTILE = f"/customers/{hostile.CUSTOMER}/targets/21"
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
Scheme = Literal["light", "dark"]
NARROWEST = 320
WIDTHS = {"phone": 390, "desk": 1200}


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A page that is open, and what the browser had to say of it and asked for."""

    page: Any
    complaints: list[str]
    requests: list[str]


class Visitor:
    """A browser that visits one server."""

    def __init__(self, browser: Any, address: str) -> None:  # noqa: ANN401 - its types are not always installed
        self._browser = browser
        self._address = address

    def at(self, address: str) -> "Visitor":
        """The same browser, for another server."""
        return Visitor(self._browser, address)

    @asynccontextmanager
    async def visit(self, where: str, *, width: int = 390, scheme: Scheme = "light") -> AsyncIterator[Visit]:
        """The page as a browser of its own shows it."""
        context = await self._browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page = await context.new_page()
        visit = Visit(page=page, complaints=[], requests=[])
        page.on("console", lambda message: visit.complaints.append(message.text))
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        page.on("dialog", lambda dialog: visit.complaints.append(dialog.message))
        page.on("request", lambda request: visit.requests.append(request.url))
        await page.goto(f"{self._address}{where}/explain")
        yield visit
        await context.close()


@pytest.fixture(scope="module")
async def visitor(servers: ServerAddresses, template: str) -> AsyncIterator[Visitor]:
    """Who visits the examples."""
    from playwright.async_api import async_playwright  # noqa: PLC0415 - it is installed for these tests only

    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert program, "no chromium: set CHROMIUM, or install the package chromium"
    async with cloned_database(servers, template) as url:
        await decide_examples(url)
        async with served(url) as address, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program, args=list(QUIET))
            yield Visitor(browser, address)
            await browser.close()


async def violations(visit: Visit) -> list[str]:
    """What axe-core finds, as one line each."""
    from axe_playwright_python.async_playwright import Axe  # noqa: PLC0415 - the same

    found = await Axe().run(visit.page)
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found.response["violations"] for node in rule["nodes"]]


async def overhang(visit: Visit) -> int:
    """By how many pixels the page is wider than the window."""
    script = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(await visit.page.evaluate(script))


async def looked_at(visit: Visit, name: str) -> None:
    """The page holds nothing against anybody; its picture is kept for a person to look at."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    await visit.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
    assert (visit.complaints, await overhang(visit)) == ([], 0)
    assert await violations(visit) == []


@pytest.mark.parametrize(("width", "scheme"), list(product(WIDTHS, ("light", "dark"))))
@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example_is_whole_and_for_everybody(visitor: Visitor, name: str, width: str, scheme: Scheme) -> None:
    async with visitor.visit(path(name), width=WIDTHS[width], scheme=scheme) as visit:
        assert len(visit.requests) == 1
        await looked_at(visit, f"{name.replace(' ', '-')}-{width}-{scheme}")


@pytest.mark.parametrize("name", ["A7", "S3"])
async def test_nothing_hangs_over_on_the_narrowest_screen(visitor: Visitor, name: str) -> None:
    async with visitor.visit(path(name), width=NARROWEST) as visit:
        await looked_at(visit, f"{name}-narrowest")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_page_that_knows_nothing_is_whole_too(visitor: Visitor, scheme: Scheme) -> None:
    async with visitor.visit("/customers/7/targets/21", scheme=scheme) as visit:
        visit.complaints.clear()  # the browser's own word that it was not found
        await looked_at(visit, f"nothing-{scheme}")


async def test_a_mark_leads_to_its_reward_by_mouse_and_by_key(visitor: Visitor) -> None:
    async with visitor.visit(path("A3")) as visit:
        await visit.page.locator("a.mark.cancelled").click()
        assert visit.page.url.endswith("#reward-3")
        assert "R3" in await visit.page.locator("li:target").inner_text()
        await visit.page.reload()
        await visit.page.keyboard.press("Tab")
        await visit.page.keyboard.press("Enter")
        assert visit.page.url.rpartition("#")[2].startswith("reward-")


async def test_what_stands_and_what_fell_have_their_own_colors(visitor: Visitor) -> None:
    async with visitor.visit(path("A3")) as visit:
        for state, color in (("kept", "rgb(26, 107, 52)"), ("cancelled", "rgb(179, 38, 30)")):
            word = visit.page.locator(f".rewards > .{state} .state").first
            assert await word.evaluate("word => getComputedStyle(word).color") == color


async def test_the_drawing_has_the_leave_where_it_was_and_the_marks_on_their_sides(visitor: Visitor) -> None:
    async with visitor.visit(path("A3"), width=1200) as visit:
        drawing = visit.page.locator(".drawing > svg")
        whole = await drawing.bounding_box()
        cut = await drawing.locator("line.cut").bounding_box()
        share = (cut["x"] - whole["x"]) / whole["width"]
        assert share == pytest.approx((31 + 28 + 14) / 151, abs=0.01)
        band = await drawing.locator("rect.fell").bounding_box()
        stands = [await mark.bounding_box() for mark in await drawing.locator("a.kept").all()]
        (fell,) = [await mark.bounding_box() for mark in await drawing.locator("a.cancelled").all()]
        assert all(box["y"] + box["height"] <= band["y"] for box in stands)
        assert fell["y"] >= band["y"] + band["height"]


@pytest.mark.parametrize("width", ["phone", "desk"])
async def test_hostile_names_do_nothing_in_a_browser(
    servers: ServerAddresses, template: str, visitor: Visitor, tmp_path: Path, width: str
) -> None:
    async with cloned_database(servers, template) as url:
        assert (await write_file(tmp_path, [hostile.definition(hostile.WORDS)]).load(url)).bad == 0
        await decide(url, *hostile.facts(hostile.WORDS))
        async with served(url) as address, visitor.at(address).visit(HOSTILE, width=WIDTHS[width]) as visit:
            assert len(visit.requests) == 1
            await looked_at(visit, f"hostile-{width}")
