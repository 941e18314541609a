"""Calls that the front door refuses itself: nothing of them is kept or published."""

from collections.abc import Mapping


class RefusedCallError(Exception):
    """A call that is answered with this status. `code` is the number told in the answer: the status, if no other."""

    def __init__(
        self, status: int, message: str, *, code: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = status if code is None else code
        self.headers = headers
