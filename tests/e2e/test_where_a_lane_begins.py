"""Where a lane begins and where it refuses to: what Kafka committed held against what Postgres decided."""

from confluent_kafka import TopicPartition

from support.events import leaves
from support.place import Place, answers
from support.workers import run

CUSTOMERS = range(901, 911)
EVERYBODY = {f"leave-{customer}": ["unenroll.UnenrollRejected.v1"] for customer in CUSTOMERS}


def refused(place: Place) -> str:
    output = run("run", "--until-caught-up", environment=place.environment, code=1)
    assert "Traceback" not in output
    return output.splitlines()[-1]


def everybody_asks(place: Place) -> None:
    place.request(leaves(customer) for customer in CUSTOMERS)


def test_a_new_group_may_begin_with_what_comes_next(place: Place) -> None:
    everybody_asks(place)
    latest = {**place.environment, "UNENROLL_START": "latest"}
    run("run", "--until-caught-up", environment=latest)
    place.request([leaves(999)])
    run("run", "--until-caught-up", environment=latest)
    assert answers(place.seen()) == {"leave-999": ["unenroll.UnenrollRejected.v1"]}


def test_a_partition_that_is_added_begins_with_its_first_record_even_so(place: Place) -> None:
    latest = {**place.environment, "UNENROLL_START": "latest"}
    run("run", "--until-caught-up", environment=latest)
    place.add_partitions("requests", 6)
    everybody_asks(place)
    run("run", "--until-caught-up", environment=latest)
    assert answers(place.seen()) == EVERYBODY


def test_an_expired_group_goes_on_from_what_postgres_decided(place: Place) -> None:
    everybody_asks(place)
    place.catch_up()
    place.delete_group()
    place.request([leaves(999)])
    assert '"duplicate"' not in place.catch_up()
    assert answers(place.seen()) == {**EVERYBODY, "leave-999": ["unenroll.UnenrollRejected.v1"]}


def test_a_worker_stops_where_the_offset_was_moved_forward(place: Place) -> None:
    place.catch_up()
    everybody_asks(place)
    place.commit([TopicPartition(f"{place.prefix}requests", number, 2) for number in range(4)])
    assert "Kafka has committed offset 2, but Postgres has decided only up to 0" in refused(place)
    assert place.seen() == []


async def test_a_worker_stops_where_the_database_is_older_than_the_topics(place: Place) -> None:
    place.catch_up()
    await place.execute("create table backup as select * from lanes")
    everybody_asks(place)
    place.catch_up()
    await place.execute(
        "update lanes set sequence = backup.sequence, published = backup.published, positions = backup.positions "
        "from backup where lanes.lane_id = backup.lane_id"
    )
    assert "the database is older than the topics" in refused(place)
    assert answers(place.seen()) == EVERYBODY


def test_a_worker_stops_where_records_are_gone_that_it_never_read(place: Place) -> None:
    everybody_asks(place)
    place.catch_up()
    place.request(leaves(customer, event_id=f"again-{customer}") for customer in CUSTOMERS)
    place.delete_records()
    assert "records are lost" in refused(place)


def test_a_topic_that_was_made_again_is_read_from_its_first_record(place: Place) -> None:
    everybody_asks(place)
    place.catch_up()
    place.make_again("requests")
    place.request([leaves(999)])
    latest = {**place.environment, "UNENROLL_START": "latest"}
    run("run", "--until-caught-up", environment=latest)
    assert answers(place.seen()) == {**EVERYBODY, "leave-999": ["unenroll.UnenrollRejected.v1"]}
