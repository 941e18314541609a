"""Translates the errors of both Kafka clients into the errors of the program."""

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

_REFUSAL_CODES = {
    LibrdkafkaError.TOPIC_AUTHORIZATION_FAILED,
    LibrdkafkaError.GROUP_AUTHORIZATION_FAILED,
    LibrdkafkaError.CLUSTER_AUTHORIZATION_FAILED,
    LibrdkafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    LibrdkafkaError.SASL_AUTHENTICATION_FAILED,
    LibrdkafkaError._AUTHENTICATION,  # noqa: SLF001 - public in librdkafka
    LibrdkafkaError.INVALID_REPLICATION_FACTOR,
    LibrdkafkaError.POLICY_VIOLATION,
}
_REFUSAL_ERRORS = (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)


@contextmanager
def kafka_errors(action: str) -> Iterator[None]:
    """Translate the errors of the clients and of the network in this block. The messages name the `action`.

    Raises SetupError if a retry cannot help, UsageError if a client refuses its settings, else OutageError.
    """
    try:
        yield
    except UnenrollError:
        raise
    except _REFUSAL_ERRORS as error:
        raise SetupError(f"Kafka refuses the request ({action}): {_first_line(error)}") from error
    except KafkaException as error:
        raise _translate_librdkafka(error, action) from error
    except TimeoutError as error:
        raise OutageError(f"Kafka does not answer ({action})", server=Server.KAFKA) from error
    except (KafkaError, OSError, AssertionError, AttributeError) as error:
        # aiokafka raises AssertionError after a broken transaction, and AttributeError before the first transaction.
        raise OutageError(f"Kafka failed ({action}): {_first_line(error)}", server=Server.KAFKA) from error


def _translate_librdkafka(error: KafkaException, action: str) -> UnenrollError:
    cause = error.args[0]
    if cause.code() == LibrdkafkaError._INVALID_ARG:  # noqa: SLF001 - public in librdkafka
        return UsageError(f"the Kafka client refuses its settings: {cause.str()}")
    if cause.code() in _REFUSAL_CODES:
        return SetupError(f"Kafka refuses the request ({action}): {cause.str()}")
    return OutageError(f"Kafka does not answer ({action}): {cause.str()}", server=Server.KAFKA)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:300] or type(error).__name__
