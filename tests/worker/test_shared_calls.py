"""Those who ask at the same time share a request, and each gets an answer from after it asked."""

import asyncio

import pytest

from unenroll.cooperative import SharedCalls


class Counter:
    """Answers with how often it was asked, once it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.was_asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def ask(self) -> int:
        self.asked += 1
        self.was_asked.set()
        number = self.asked
        await self.may_answer.wait()
        return number


async def test_fifty_who_ask_together_share_one_request_and_later_ones_the_next() -> None:
    counter = Counter()
    calls = SharedCalls(counter.ask)
    first = [asyncio.create_task(calls.call()) for _ in range(50)]
    await counter.was_asked.wait()
    later = [asyncio.create_task(calls.call()) for _ in range(50)]
    await asyncio.sleep(0)
    counter.may_answer.set()
    assert (await asyncio.gather(*first), await asyncio.gather(*later)) == ([1] * 50, [2] * 50)


async def test_an_error_is_raised_for_all_and_the_next_call_asks_again() -> None:
    answers = iter([1, 0])

    async def ask() -> float:
        return 1 / (1 - next(answers))

    calls = SharedCalls(ask)
    failed = await asyncio.gather(calls.call(), calls.call(), return_exceptions=True)
    assert [type(one) for one in failed] == [ZeroDivisionError] * 2
    assert await calls.call() == 1


async def test_who_gives_up_does_not_end_the_request_of_the_others() -> None:
    counter = Counter()
    calls = SharedCalls(counter.ask)
    one, other = asyncio.create_task(calls.call()), asyncio.create_task(calls.call())
    await counter.was_asked.wait()
    one.cancel()
    counter.may_answer.set()
    assert await other == 1
    with pytest.raises(asyncio.CancelledError):
        await one
