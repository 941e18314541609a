"""Importing the program changes nothing of aiokafka, which others may use in the same process."""

import subprocess
import sys

CHECK = """
import importlib, pkgutil, sys

def load(package):
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not found.name.endswith((".__main__", ".migrations.env")):
            importlib.import_module(found.name)

def members():
    owners = [one for name, one in sys.modules.items() if name.partition(".")[0] == "aiokafka"]
    classes = [one for owner in owners for one in vars(owner).values() if isinstance(one, type)]
    ours = [one for one in classes if one.__module__.startswith("aiokafka")]
    return {(id(owner), name): value for owner in owners + ours for name, value in vars(owner).items()}

def volatile(name):
    return name.startswith("_abc_") or name in ("__abstractmethods__", "__subclasshook__")

load("aiokafka")
before = members()
load("unenroll")
after = members()
print(sorted(name for owner, name in before.keys() | after.keys()
             if not volatile(name) and before.get((owner, name)) is not after.get((owner, name))))
"""


def test_importing_the_program_changes_nothing_of_the_client() -> None:
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "[]\n"
