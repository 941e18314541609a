"""Schemas of an account as the HTTP API returns it: a story in the terms of the contract."""

from datetime import datetime
from typing import Annotated

from pydantic import AliasGenerator, BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from unenroll.core.definitions import EnrollmentMode, TargetKind
from unenroll.core.events import RewardAllocation
from unenroll.core.outcomes import EnrollmentOutcome, Outcome
from unenroll.core.standings import RewardAction, RewardState, Rule
from unenroll.explain.stays import CycleState, SpellBeginning
from unenroll.postgres.history import FactKind
from unenroll.wire.fields import instant_text

Instant = Annotated[
    datetime,
    PlainSerializer(instant_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
    Field(examples=["2026-03-15T00:00:00Z"]),
]
Id = Annotated[int, WithJsonSchema({"type": "integer", "format": "int64"})]
PeriodName = Annotated[str, Field(description="a cycle's `periodName`", examples=["c3"])]
RewardId = Annotated[str, Field(examples=["R3"])]
Revision = Annotated[int, Field(description="how often it was published; the highest one counts", examples=[1])]
Decimal = Annotated[str, Field(description="a decimal number as text", examples=["250.50"])]


class AccountPart(BaseModel):
    """Base of the schemas: reads the attributes of the story, and spells its fields in camelCase."""

    model_config = ConfigDict(
        frozen=True, from_attributes=True, alias_generator=AliasGenerator(serialization_alias=to_camel)
    )


class LeaveBody(AccountPart):
    """A leave: its event and its effective time."""

    id: Annotated[str, Field(description="the event's `id`", examples=["7f1c"])]
    source: Annotated[str, Field(description="the event's `source`", examples=["/crm/app"])]
    at: Instant


class CycleSpanBody(AccountPart):
    """Consecutive cycles with the same fate."""

    first: PeriodName
    last: PeriodName
    count: Annotated[int, Field(examples=[3])]
    start: Instant
    end: Instant
    fate: Annotated[CycleState, Field(description="what happened to them", examples=["FELL"])]
    left_at: Annotated[Instant | None, Field(description="effective time of the leave that made them fall")]


class SpellBody(AccountPart):
    """A stay: from an enrollment to the leave that ended it, or open."""

    number: Annotated[int, Field(description="counts from 1, in order of time", examples=[1])]
    run: Annotated[int, Field(description="spells that continue one another have the same run", examples=[1])]
    beginning: Annotated[SpellBeginning, Field(examples=["FIRST"])]
    opened_at: Annotated[Instant | None, Field(description="null: enrolled from the start")]
    first_cycle: PeriodName
    initial_balance: Annotated[Decimal | None, Field(description="as in the enrollment")]
    leave: Annotated[LeaveBody | None, Field(description="the leave that ended the spell; null: the spell is open")]


class StandingBody(AccountPart):
    """A reward and its current state."""

    reward_id: RewardId
    period_name: PeriodName
    level: Annotated[int | None, Field(examples=[4])]
    allocation: Annotated[RewardAllocation, Field(examples=["PERIOD_END"])]
    achieved_at: Instant
    issued_at: Annotated[Instant | None, Field(description="null: no event says that it was issued")]
    amount: Decimal | None
    unit: Annotated[str | None, Field(examples=["points"])]
    state: Annotated[RewardState, Field(examples=["CANCELLED"])]
    action: Annotated[RewardAction | None, Field(description="what to do if it is cancelled", examples=["VOID"])]
    rule: Annotated[Rule, Field(description="the rule that decides this", examples=["PERIOD_END_LOST"])]
    spell: Annotated[int | None, Field(validation_alias="stay", description="the number of its spell", examples=[1])]
    leave: Annotated[LeaveBody | None, Field(description="the leave that decides about it")]
    revision: Revision


class ExplainedStandingBody(StandingBody):
    """A reward with the reason for its state."""

    sentence: Annotated[
        str, Field(description="the rule in words", examples=["The customer is enrolled: the reward is kept."])
    ]
    missed: Annotated[str | None, Field(description="how close it was to being kept, and what would have kept it")]


class FactBody(AccountPart):
    """A fact and its effect."""

    at: Annotated[Instant, Field(description="its event time")]
    seen_at: Annotated[Instant | None, Field(description="when the worker first read it")]
    kind: Annotated[FactKind, Field(examples=["LEAVE"])]
    id: Annotated[str, Field(description="an event's `id`, or a `rewardId`", examples=["7f1c"])]
    source: Annotated[str | None, Field(description="the event's `source`", examples=["/crm/app"])]
    outcome: Annotated[Outcome | EnrollmentOutcome | None, Field(examples=["UNENROLLED"])]
    code: Annotated[int | None, Field(description="the outcome's code, if it has one", examples=[310019])]
    sentence: Annotated[str, Field(description="its effect in words", examples=["The customer left."])]
    reason: Annotated[str | None, Field(examples=["customer asked"])]
    requested_by: Annotated[str | None, Field(examples=["app"])]
    initial_balance: Decimal | None
    reset_streak_status: bool


class SpanBody(AccountPart):
    """Consecutive cycles: first, last and their number."""

    first: PeriodName
    last: PeriodName
    count: Annotated[int, Field(examples=[3])]


class PublishedEventBody(AccountPart):
    """An event that was published about the account."""

    decided_at: Annotated[Instant, Field(description="its `time`")]
    event: Annotated[str, Field(description="its name", examples=["RewardCancelled"])]
    id: Annotated[str, Field(description="its `ce_id`", examples=["5f1f0c7e-0b54-5d2c-9f0c-5f8b2f9d5b1a"])]
    leave: Annotated[LeaveBody, Field(description="the leave in the event")]
    reward_id: RewardId | None
    outcome: Annotated[str | None, Field(examples=["NOTHING_LEFT"])]
    code: Annotated[int | None, Field(examples=[310019])]
    dropped: Annotated[SpanBody | None, Field(description="the cycles that fell")]
    supersedes: Annotated[LeaveBody | None, Field(description="the leave that this one replaces")]
    action: Annotated[str | None, Field(examples=["VOID"])]
    rule: Annotated[str | None, Field(examples=["PERIOD_END_LOST"])]
    revision: Revision | None


class _CustomerInTarget(AccountPart):
    """A customer in a target."""

    customer_id: Annotated[Id, Field(examples=[423789336])]
    target_group_id: Annotated[Id, Field(validation_alias="group_id", examples=[11])]
    target_group_name: Annotated[str, Field(validation_alias="group_name", examples=["Spring campaign"])]
    target_id: Annotated[Id, Field(examples=[21])]
    target_name: Annotated[str, Field(examples=["Milestone ABC"])]
    kind: Annotated[TargetKind, Field(examples=["MILESTONE"])]
    enrollment: Annotated[EnrollmentMode, Field(examples=["EXPLICIT"])]
    due: Annotated[
        bool, Field(description="cycles were appended since the account was settled; the worker will settle it again")
    ]
    cycles: Annotated[list[CycleSpanBody], Field(description="all cycles of the group, in order")]
    spells: Annotated[list[SpellBody], Field(validation_alias="stays", description="in order of time")]


class AccountBody(_CustomerInTarget):
    """A customer in a target: cycles, spells, and the standing of each reward."""

    standings: Annotated[
        list[StandingBody], Field(validation_alias="rewards", description="by cycle, then by when they were achieved")
    ]


class ExplainedAccountBody(_CustomerInTarget):
    """The account with reasons, facts and published events."""

    standings: Annotated[
        list[ExplainedStandingBody],
        Field(validation_alias="rewards", description="by cycle, then by when they were achieved"),
    ]
    facts: Annotated[list[FactBody], Field(description="in order of time")]
    published: Annotated[list[PublishedEventBody], Field(description="by the time of the decision")]
