"""Token buckets for rate limits by key."""

from collections import OrderedDict


class Buckets:
    """A bucket for each key: `burst` tokens at once, then `rate` a second.

    Only the `most` buckets that were used last are kept; a new bucket is full.
    Instants are seconds of a monotonic clock.
    """

    def __init__(self, *, rate: float, burst: int, most: int = 10_000) -> None:
        self._rate = rate
        self._burst = burst
        self._most = most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """How many buckets are kept."""
        return len(self._buckets)

    def take(self, key: str, now: float) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        tokens = self._tokens(key, now)
        if tokens < 1:
            return (1 - tokens) / self._rate
        self._keep(key, tokens - 1, now)
        return 0.0

    def give_back(self, key: str, now: float) -> None:
        """Give a token back."""
        self._keep(key, self._tokens(key, now) + 1, now)

    def _tokens(self, key: str, now: float) -> float:
        tokens, since = self._buckets.get(key, (float(self._burst), now))
        return min(float(self._burst), tokens + (now - since) * self._rate)

    def _keep(self, key: str, tokens: float, now: float) -> None:
        self._buckets[key] = (tokens, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
