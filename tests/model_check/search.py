"""Breadth first through every world that can be reached, and the shortest way to one that breaks a promise."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from model_check import events as happens
from model_check import promises
from model_check.guards import Rules
from model_check.world import Step, World


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a search found. `ended`: it saw all there is. `steps` lead to what is `wrong`, if anything is."""

    worlds: int
    depth: int
    ended: bool
    wrong: str = ""
    steps: tuple[str, ...] = ()

    def __str__(self) -> str:
        """For a person."""
        seen = f"{self.worlds} worlds, {self.depth} steps deep{'' if self.ended or self.wrong else ', NOT TO THE END'}"
        if not self.wrong:
            return seen
        return "\n".join([f"{self.wrong} ({seen}):", *(f"{at:>3}. {one}" for at, one in enumerate(self.steps, 1))])


@dataclass(kw_only=True, slots=True)
class Search:
    """Worlds in the order they were first reached, where each was reached from, and what follows undisturbed."""

    rules: Rules
    worlds: list[World] = field(default_factory=list)
    known: dict[World, int] = field(default_factory=dict)
    parents: list[int] = field(default_factory=list)
    undisturbed: list[list[int]] = field(default_factory=list)
    depth: int = 0

    def run(self, deepest: int) -> Found:
        """Look at everything that is at most so many steps away from the beginning."""
        self._at(happens.beginning(self.rules), -1)
        layer = range(1)
        while layer and self.depth < deepest:
            for index in layer:
                wrong = self._expand(index)
                if wrong:
                    return self.found(wrong, self.way(len(self.worlds) - 1))
            layer = range(layer.stop, len(self.worlds))
            self.depth += 1 if layer else 0
        return Found(worlds=len(self.worlds), depth=self.depth, ended=not layer)

    def way(self, index: int) -> list[World]:
        """The worlds on a shortest way to this one."""
        way = []
        while index >= 0:
            way.append(self.worlds[index])
            index = self.parents[index]
        return way[::-1]

    def found(self, wrong: str, way: list[World]) -> Found:
        steps = tuple(told(way, self.rules))
        return Found(worlds=len(self.worlds), depth=len(steps), ended=False, wrong=wrong, steps=steps)

    def _expand(self, index: int) -> str:
        """Reach what can happen next. Returns what is wrong with the last world reached."""
        before = self.worlds[index]
        follows = []
        for step in happens.steps(before, self.rules):
            after = step.world.canonical()
            at = self.known.get(after)
            if at is None:
                at = self._at(after, index)
                wrong = promises.broken(after, self.rules)
                if wrong:
                    return wrong
            if after.kafka.committed != before.kafka.committed and promises.went_back(before, after, self.rules):
                return promises.went_back(before, after, self.rules)
            if not step.disturbs:
                follows.append(at)
        self.undisturbed.append(follows)
        return ""

    def _at(self, world: World, parent: int) -> int:
        index = self.known[world] = len(self.worlds)
        self.worlds.append(world)
        self.parents.append(parent)
        return index


def told(way: list[World], rules: Rules) -> Iterator[str]:
    """What happens on the way, with each worker keeping its name."""
    here = way[0]
    for there in way[1:]:
        step = _step(here, there, rules)
        yield f"{step.who} {step.does}"
        here = step.world


def _step(here: World, there: World, rules: Rules) -> Step:
    return next(step for step in happens.steps(here, rules) if step.world.canonical() == there)
