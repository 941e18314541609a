"""Where a lane begins and where it refuses to: what Kafka committed held against what Postgres decided."""

from confluent_kafka import TopicPartition

from support.deployment import Deployment, first_answers
from support.events import leave_record
from support.workers import run_command

CUSTOMERS = range(901, 911)
EVERYBODY = {f"leave-{customer}": ["unenroll.UnenrollRejected.v1"] for customer in CUSTOMERS}


def refused(deployment: Deployment) -> str:
    output = run_command("run", "--until-caught-up", environment=deployment.environment, code=1)
    assert "Traceback" not in output
    return output.splitlines()[-1]


def everybody_asks(deployment: Deployment) -> None:
    deployment.request(leave_record(customer) for customer in CUSTOMERS)


def test_a_new_group_may_begin_with_what_comes_next(deployment: Deployment) -> None:
    everybody_asks(deployment)
    latest = {**deployment.environment, "UNENROLL_START": "latest"}
    run_command("run", "--until-caught-up", environment=latest)
    deployment.request([leave_record(999)])
    run_command("run", "--until-caught-up", environment=latest)
    assert first_answers(deployment.consume()) == {"leave-999": ["unenroll.UnenrollRejected.v1"]}


def test_a_partition_that_is_added_begins_with_its_first_record_even_so(deployment: Deployment) -> None:
    latest = {**deployment.environment, "UNENROLL_START": "latest"}
    run_command("run", "--until-caught-up", environment=latest)
    deployment.add_partitions("requests", 6)
    everybody_asks(deployment)
    run_command("run", "--until-caught-up", environment=latest)
    assert first_answers(deployment.consume()) == EVERYBODY


def test_an_expired_group_goes_on_from_what_postgres_decided(deployment: Deployment) -> None:
    everybody_asks(deployment)
    deployment.catch_up()
    deployment.delete_group()
    deployment.request([leave_record(999)])
    assert '"duplicate"' not in deployment.catch_up()
    assert first_answers(deployment.consume()) == {**EVERYBODY, "leave-999": ["unenroll.UnenrollRejected.v1"]}


def test_a_worker_stops_where_the_offset_was_moved_forward(deployment: Deployment) -> None:
    deployment.catch_up()
    everybody_asks(deployment)
    deployment.commit([TopicPartition(f"{deployment.prefix}requests", number, 2) for number in range(4)])
    assert "Kafka has committed offset 2, but Postgres has decided only up to 0" in refused(deployment)
    assert deployment.consume() == []


async def test_a_worker_stops_where_the_database_is_older_than_the_topics(deployment: Deployment) -> None:
    deployment.catch_up()
    await deployment.execute("create table backup as select * from lanes")
    everybody_asks(deployment)
    deployment.catch_up()
    await deployment.execute(
        "update lanes set sequence = backup.sequence, published = backup.published, positions = backup.positions "
        "from backup where lanes.lane_id = backup.lane_id"
    )
    assert "the database is older than the topics" in refused(deployment)
    assert first_answers(deployment.consume()) == EVERYBODY


def test_a_worker_stops_where_records_are_gone_that_it_never_read(deployment: Deployment) -> None:
    everybody_asks(deployment)
    deployment.catch_up()
    deployment.request(leave_record(customer, event_id=f"again-{customer}") for customer in CUSTOMERS)
    deployment.delete_records()
    assert "records are lost" in refused(deployment)


def test_a_topic_that_was_made_again_is_read_from_its_first_record(deployment: Deployment) -> None:
    everybody_asks(deployment)
    deployment.catch_up()
    deployment.recreate_topic("requests")
    deployment.request([leave_record(999)])
    latest = {**deployment.environment, "UNENROLL_START": "latest"}
    run_command("run", "--until-caught-up", environment=latest)
    assert first_answers(deployment.consume()) == {**EVERYBODY, "leave-999": ["unenroll.UnenrollRejected.v1"]}
