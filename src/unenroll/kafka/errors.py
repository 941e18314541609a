"""What the Kafka clients raise, in our words: the only place that knows their errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)
from confluent_kafka import KafkaError as LibrdkafkaError
from confluent_kafka import KafkaException

from unenroll.errors import OutageError, Server, SetupError, UnenrollError, UsageError

_NEEDS_A_PERSON = {
    LibrdkafkaError.TOPIC_AUTHORIZATION_FAILED,
    LibrdkafkaError.GROUP_AUTHORIZATION_FAILED,
    LibrdkafkaError.CLUSTER_AUTHORIZATION_FAILED,
    LibrdkafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    LibrdkafkaError.SASL_AUTHENTICATION_FAILED,
    LibrdkafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own errors are named with an underscore
    LibrdkafkaError.INVALID_REPLICATION_FACTOR,
    LibrdkafkaError.POLICY_VIOLATION,
}
_REFUSALS = (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)


@contextmanager
def kafka_errors(doing: str) -> Iterator[None]:
    """Turn what the clients and the network raise while `doing` something into OutageError or SetupError.

    A setting that a client refuses is a UsageError.
    """
    try:
        yield
    except UnenrollError:
        raise
    except _REFUSALS as error:
        raise SetupError(f"Kafka refuses {doing}: {_brief(error)}") from error
    except KafkaException as error:
        raise _librdkafka(error, doing) from error
    except TimeoutError as error:
        raise OutageError(f"Kafka does not answer: {doing}", server=Server.KAFKA) from error
    except (KafkaError, OSError, AssertionError, AttributeError) as error:
        # A producer whose transaction broke answers with AssertionError, one that never had one with AttributeError.
        raise OutageError(f"Kafka failed {doing}: {_brief(error)}", server=Server.KAFKA) from error


def _librdkafka(error: KafkaException, doing: str) -> UnenrollError:
    cause = error.args[0]
    if cause.code() == LibrdkafkaError._INVALID_ARG:  # noqa: SLF001
        return UsageError(f"the Kafka client refuses its settings: {cause.str()}")
    if cause.code() in _NEEDS_A_PERSON:
        return SetupError(f"Kafka refuses {doing}: {cause.str()}")
    return OutageError(f"Kafka does not answer: {doing} ({cause.str()})", server=Server.KAFKA)


def _brief(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:300] or type(error).__name__
