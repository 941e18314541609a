"""What becomes of every world once nothing disturbs it any more: all of it has to end, and to end well."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from model_check import promises
from model_check.search import Found, Search

LOOP: Final = "undisturbed, the workers go round for ever"

Graph = Mapping[int, Sequence[int]]


def heal(search: Search) -> Found:
    """What is wrong with the end of undisturbed runs. The search must have seen all there is."""
    graph = dict(enumerate(search.undisturbed))
    for index, follows in graph.items():
        wrong = "" if follows else promises.badly_ended(search.worlds[index], search.rules)
        if wrong:
            return search.found(wrong, search.way(index))
    looping = _endless(_turned(_endless(graph)))  # first without the ends, then without the beginnings
    for index in sorted(looping):
        loop = _loop(looping, index)
        if loop:
            return search.found(LOOP, [*search.way(index), *(search.worlds[at] for at in loop)])
    return Found(worlds=len(search.worlds), depth=search.depth, ended=True)


def _endless(graph: Graph) -> Graph:
    """The graph without what must come to an end."""
    left = {index: len(follows) for index, follows in graph.items()}
    turned = _turned(graph)
    ends = [index for index, many in left.items() if not many]
    while ends:
        end = ends.pop()
        del left[end]
        for before in turned[end]:
            left[before] -= 1
            if not left[before]:
                ends.append(before)
    return {index: [after for after in graph[index] if after in left] for index in left}


def _turned(graph: Graph) -> Graph:
    turned: dict[int, list[int]] = {index: [] for index in graph}
    for index, follows in graph.items():
        for after in follows:
            turned[after].append(index)
    return turned


def _loop(turned: Graph, start: int) -> list[int]:
    """A shortest way from here to here again, behind the first step; empty if there is none."""
    next_of: dict[int, int] = {}
    ahead = deque([start])
    while ahead:
        index = ahead.popleft()
        for before in turned[index]:
            if before == start:
                return _walked(next_of, index, start)
            if before not in next_of:
                next_of[before] = index
                ahead.append(before)
    return []


def _walked(next_of: Mapping[int, int], first: int, last: int) -> list[int]:
    way = [first]
    while way[-1] != last:
        way.append(next_of[way[-1]])
    return way
