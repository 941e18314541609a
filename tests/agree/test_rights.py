"""Rights stand in deploy/ and in what the worker looks at before it begins, secrets in the code and on a page."""

import re
from pathlib import Path

from confluent_kafka.admin import (  # type: ignore[attr-defined] # exported, but not said to be
    AclOperation,
    ResourceType,
)

from agree.pages import ROOT, rows, section
from support.secure_servers import granted
from unenroll.secret_files import SUFFIX, secrets_of
from unenroll.settings import PREFIX, ApiSettings
from unenroll.worker import preflight as tables
from unenroll.worker import preflight as topics

_GRANT = re.compile(r"^grant ([a-z, ]+) on (\w+) to unenroll_worker;$", re.MULTILINE)


def test_the_worker_asks_for_the_rights_to_tables_that_deploy_gives() -> None:
    grants = (ROOT / "deploy" / "postgres" / "grants.sql").read_text(encoding="utf-8")
    given = {table: tuple(entry.split(", ")) for entry, table in _GRANT.findall(grants)}
    assert given == dict(tables.TABLE_RIGHTS)


def test_the_worker_asks_for_the_rights_to_topics_that_deploy_gives(tmp_path: Path) -> None:
    given = {
        (rule.name, AclOperation(rule.operation))
        for rule in granted(tmp_path, prefix="ours.", group_id="group")
        if rule.restype is ResourceType.TOPIC and rule.principal == "User:worker"
    }
    assert given == {(f"ours.{word}", one) for word, needed in topics.TOPIC_OPERATIONS.items() for one in needed}


def test_the_page_lists_each_secret_and_its_file() -> None:
    names = [PREFIX + name.upper() for name in secrets_of(ApiSettings)]
    entry = rows(section(ROOT / "docs" / "security.md", "Secrets"))
    assert sorted(entry) == sorted([name, name + SUFFIX] for name in names)
