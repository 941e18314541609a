"""What a crowd's history begins with: facts that are loaded before anything comes by a topic."""

from checker.refold import definitions_of
from support.arrivals import line_of
from support.crowd import Crowd
from unenroll.core.admission import RefusedEvent, to_fact
from unenroll.core.definitions import TargetGroup
from unenroll.core.events import UnenrollRequested
from unenroll.wire.ndjson import LoadedFact, load_line


def first_versions(crowd: Crowd) -> list[TargetGroup]:
    """Of each group."""
    return [crowd.defined(group, 1) for group in crowd.groups]


def outgrown(crowd: Crowd) -> list[TargetGroup]:
    """All versions but the last, those of a group in their order."""
    return [
        crowd.defined(group, version)
        for group in crowd.groups
        for version in range(1, len(crowd.grown[group.group_id]))
    ]


def lines_to_load(crowd: Crowd) -> list[str]:
    """Of every third account all facts that name no cycle of a later version. They come by a topic as well."""
    known = definitions_of(first_versions(crowd))
    told = [event for life in crowd.lives[::3] for event in life.events if not isinstance(event, UnenrollRequested)]
    return [line_of(event) for event in told if not isinstance(to_fact(event, known), RefusedEvent)]


def loaded_facts(crowd: Crowd) -> list[LoadedFact]:
    """What these lines tell."""
    told = [load_line(line.encode()) for line in lines_to_load(crowd)]
    return [fact for fact in told if isinstance(fact, LoadedFact)]
