"""A page as a program sees it: its text, its elements, their attributes."""

from html.parser import HTMLParser

_UNSEEN = {"style", "script"}


class Looked(HTMLParser):
    """A page that was looked through from its beginning to its end."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self._elements: list[tuple[str, dict[str, str]]] = []
        self._pieces: list[str] = []
        self._within: str = ""
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        """What is written on it, each run of white space as one space."""
        return " ".join("".join(self._pieces).split())

    def elements(self, tag: str) -> list[dict[str, str]]:
        """The attributes of each element with this tag, in order."""
        return [attributes for name, attributes in self._elements if name == tag]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.attributes |= set(attributes)
        self._elements.append((tag, attributes))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within not in _UNSEEN:
            self._pieces.append(data)
