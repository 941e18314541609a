"""How much each one may have."""

from unenroll.api.limits import RateLimiter


def test_so_many_at_once_and_then_so_many_a_second() -> None:
    buckets = RateLimiter(rate=2, burst=3)
    assert [buckets.take("crm", 100.0) for _ in range(3)] == [0, 0, 0]
    assert buckets.take("crm", 100.0) == 0.5
    assert buckets.take("crm", 100.25) == 0.25
    assert buckets.take("crm", 100.5) == 0
    assert buckets.take("crm", 100.5) == 0.5


def test_a_long_rest_earns_no_more_than_the_bucket_holds() -> None:
    buckets = RateLimiter(rate=2, burst=3)
    buckets.take("crm", 0.0)
    assert [buckets.take("crm", 3600.0) > 0 for _ in range(4)] == [False, False, False, True]


def test_one_does_not_pay_for_another() -> None:
    buckets = RateLimiter(rate=1, burst=1)
    assert [buckets.take("crm", 0.0), buckets.take("app", 0.0)] == [0, 0]
    assert buckets.take("crm", 0.0) > 0


def test_what_was_taken_in_vain_is_given_back_but_no_more() -> None:
    buckets = RateLimiter(rate=0.001, burst=1)
    buckets.take("crm", 0.0)
    buckets.release("crm", 0.0)
    buckets.release("crm", 0.0)
    assert [buckets.take("crm", 0.0) > 0 for _ in range(2)] == [False, True]


def test_a_crowd_of_names_fills_no_memory_and_the_latest_are_kept() -> None:
    buckets = RateLimiter(rate=0.001, burst=1, most=10)
    for number in range(1000):
        buckets.take(str(number), 0.0)
    assert len(buckets) == 10
    assert buckets.take("999", 0.0) > 0
    assert buckets.take("0", 0.0) == 0
