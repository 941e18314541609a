"""Log lines on standard error: JSON for machines, or colors for a person at a terminal."""

import logging
import sys

import structlog

from unenroll.settings import LogFormat, LogLevel


def configure_logging(log_format: LogFormat | None, *, level: LogLevel = LogLevel.INFO, quiet: bool = False) -> None:
    """Set up logging for the process. None: for a person if standard error is a terminal, else for machines.

    `level`: what is less than this is not said. `quiet`: errors only.
    """
    for_a_person = log_format is LogFormat.CONSOLE or (log_format is None and sys.stderr.isatty())
    renderer = structlog.dev.ConsoleRenderer() if for_a_person else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.ERROR if quiet else logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # The Kafka clients' own words say what we say again, for people, one line each.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
