"""What a workload's history begins with: facts that are loaded before anything comes by a topic."""

from checker.refold import definitions_of
from support.arrivals import line_of
from support.workload import Workload
from unenroll.core.admission import RefusedEvent, to_fact
from unenroll.core.definitions import TargetGroup
from unenroll.core.events import UnenrollRequested
from unenroll.wire.ndjson import LoadedFact, load_line


def first_versions(workload: Workload) -> list[TargetGroup]:
    """Of each group."""
    return [workload.defined(group, 1) for group in workload.groups]


def outgrown(workload: Workload) -> list[TargetGroup]:
    """All versions but the last, those of a group in their order."""
    return [
        workload.defined(group, version)
        for group in workload.groups
        for version in range(1, len(workload.grown[group.group_id]))
    ]


def lines_to_load(workload: Workload) -> list[str]:
    """Of every third account all facts that name no cycle of a later version. They come by a topic as well."""
    known = definitions_of(first_versions(workload))
    loaded = [
        event
        for history in workload.histories[::3]
        for event in history.events
        if not isinstance(event, UnenrollRequested)
    ]
    return [line_of(event) for event in loaded if not isinstance(to_fact(event, known), RefusedEvent)]


def loaded_facts(workload: Workload) -> list[LoadedFact]:
    """What these lines tell."""
    loaded = [load_line(line.encode()) for line in lines_to_load(workload)]
    return [fact for fact in loaded if isinstance(fact, LoadedFact)]
