"""The format and the level of log lines, which go to standard error."""

import logging
import sys

import structlog

from unenroll.settings import LogFormat, LogLevel


def configure_logging(log_format: LogFormat | None, *, level: LogLevel = LogLevel.INFO, quiet: bool = False) -> None:
    """Configure logging for the process. `log_format` None: console if standard error is a terminal, else JSON.

    `level` is the lowest level that is logged. `quiet` logs errors only.
    """
    is_console = log_format is LogFormat.CONSOLE or (log_format is None and sys.stderr.isatty())
    renderer = structlog.dev.ConsoleRenderer() if is_console else structlog.processors.JSONRenderer()
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
    # The program logs each failure itself, in one line; aiokafka and asyncio would log it again.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
