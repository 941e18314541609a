"""The reasons for which the worker writes a record to the dead letters (contract.md, "Dead letter headers")."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a record becomes a dead letter, in order of precedence: the first reason that applies wins.

    SCHEMA stands here for the envelope. A SCHEMA error in the data comes after NAIVE_TIME.
    """

    NOT_JSON = "not_json"
    SCHEMA = "schema"
    UNKNOWN_TYPE = "unknown_type"
    NO_TIME = "no_time"
    NAIVE_TIME = "naive_time"
    ID_CONFLICT = "id_conflict"
    GROUP_NOT_FOUND = "group_not_found"
    TARGET_NOT_FOUND = "target_not_found"
    TARGET_NOT_IN_GROUP = "target_not_in_group"
    PERIOD_NOT_FOUND = "period_not_found"
    PERIOD_END_ON_STREAK = "period_end_on_streak"
    LEVEL_MISSING = "level_missing"
    LEVEL_NOT_FOUND = "level_not_found"
    REWARD_CONFLICT = "reward_conflict"
    ACCOUNT_NOT_FOUND = "account_not_found"
    ACCOUNT_FULL = "account_full"
    ANSWER_TOO_LARGE = "answer_too_large"
    BELONGS_ON_TOPIC = "belongs_on_topic"
    REFUSED_BY_DATABASE = "refused_by_database"
