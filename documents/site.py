"""The documentation as a site: `python -m documents.site` builds it strictly and fails if it would fetch anything.

Pages lie in docs/ as they are read where the repository is shown, and may link to files beside docs/. The site has only
docs/, with the README as its first page: a picture from elsewhere is copied to it, any other link out of docs/ becomes
plain text.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
STAGE = ROOT / ".cache" / "site"

_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<target>\.\./[^)\s]+)\)")
_BESIDE = re.compile(r"\]\((?!https?://|#)")
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|link(?![^>]*rel="?canonical))\b[^>]*(?:src|href)="?(https?://[^" >]+)"""
)
_STYLED = re.compile(r"""(?:url\(|@import\s+)["']?(https?://[^"')\s]+)""")


def staged() -> None:
    """Lay out docs/ and the configuration as the builder is to see them."""
    shutil.rmtree(STAGE, ignore_errors=True)
    shutil.copytree(DOCS, STAGE / "docs")
    shutil.copy(ROOT / "mkdocs.yml", STAGE)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (STAGE / "docs" / "index.md").write_text(_BESIDE.sub("](../", readme).replace("](../docs/", "]("), encoding="utf-8")
    for page in (STAGE / "docs").rglob("*.md"):
        told = page.read_text(encoding="utf-8")
        page.write_text(_LINK.sub(partial(_within, page), told), encoding="utf-8")


def _within(page: Path, link: re.Match[str]) -> str:
    original = DOCS / page.relative_to(STAGE / "docs")
    target = (original.parent / link["target"].split("#")[0]).resolve()
    if target.is_relative_to(DOCS):
        return link[0]
    if not target.exists():
        raise SystemExit(f"{original.relative_to(ROOT)} links to {link['target']}, which is not there")
    if not link["picture"]:
        return link["text"]
    shutil.copy(target, page.parent / target.name)
    return f"![{link['text']}]({target.name})"


def fetched() -> Iterator[str]:
    """What a reader's browser would get from elsewhere. There must be nothing: the site works without a network."""
    for file in sorted((STAGE / "site").rglob("*")):
        pattern = {".html": _FETCHED, ".css": _STYLED}.get(file.suffix)
        if pattern:
            yield from (f"{file.name}: {found}" for found in pattern.findall(file.read_text(encoding="utf-8")))


def main() -> None:
    """Build. Exit code 1 if a link leads nowhere or something would be fetched."""
    staged()
    build = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(build, cwd=STAGE, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    if elsewhere := list(fetched()):
        raise SystemExit("the site would fetch from elsewhere:\n" + "\n".join(elsewhere))
    sys.stdout.write(f"the site is in {(STAGE / 'site').relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
