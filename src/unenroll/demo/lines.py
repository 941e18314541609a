"""The examples as NDJSON, for the code behind `unenroll load` and `unenroll publish`."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count

from pydantic_core import to_json

from unenroll.demo.campaigns import Campaign, Chapter
from unenroll.demo.told import LEAVE, Told
from unenroll.ndjson.lines import Line
from unenroll.wire.instants import instant_text

SOURCE = "/demo"

_Document = Mapping[str, object]


def facts(chapters: Iterable[Chapter]) -> Iterator[Line]:
    """The definitions, enrollments and rewards."""
    return _numbered(_facts(chapters))


def requests(chapters: Iterable[Chapter]) -> Iterator[Line]:
    """The leaves, those of a customer in the order in which they are told."""
    return _numbered(
        _document(told, chapter.campaign, customer_id=example.customer_id)
        for chapter in chapters
        for example in chapter.examples
        for told in example.told
        if told.type == LEAVE
    )


def _facts(chapters: Iterable[Chapter]) -> Iterator[_Document]:
    for chapter in chapters:
        campaign = chapter.campaign
        yield {"type": "TargetGroupDefined", "id": f"group {campaign.group_id}", "data": campaign.definition}
        for example in chapter.examples:
            for told in (campaign.enrollment, *example.told):
                if told.type != LEAVE:
                    yield _document(told, campaign, customer_id=example.customer_id)


def _document(told: Told, campaign: Campaign, *, customer_id: int) -> _Document:
    return {
        "type": told.type,
        "source": SOURCE,
        "id": told.name,
        "time": instant_text(told.time),
        "data": {"customerId": customer_id, **campaign.account, **told.data},
    }


def _numbered(documents: Iterable[_Document]) -> Iterator[Line]:
    numbers = count(1)
    return (Line("demo", next(numbers), to_json(document)) for document in documents)
