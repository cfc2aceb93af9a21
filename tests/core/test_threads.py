import json
import os
import platform
import subprocess
import sys
from typing import Any

import pytest

from pacdream.core.threads import SWITCH

WAITS = """
import json, os, sys
import pacdream
assert "torch" not in sys.modules
print(json.dumps(os.environ.get("OMP_WAIT_POLICY")))
"""
FAULTS = """
import json, resource
import pacdream
import torch
for turn in range(8):  # the heap has grown after a few
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(2):
        torch.empty(25_000_000).fill_(1)  # more than glibc ever keeps by itself
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(json.dumps(faults))
"""


def started(code: str, **environment: str) -> Any:
    """What a new process says, begun with these variables."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "OMP_WAIT", "KMP_", "PACDREAM_"))}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={**clean, **environment}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_waiting_threads_sleep_unless_the_user_has_said_otherwise() -> None:
    assert started(WAITS) == "PASSIVE"
    assert started(WAITS, OMP_WAIT_POLICY="ACTIVE") == "ACTIVE"
    assert started(WAITS, **{SWITCH: "off"}) is None


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_memory_that_was_freed_is_not_asked_for_again_page_by_page() -> None:
    kept, given_back = (started(FAULTS, **env) for env in ({}, {SWITCH: "off"}))
    assert kept < given_back / 10
