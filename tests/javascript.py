"""Functions in JavaScript, run by Node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import pytest

_PROGRAM = """
const [code, expression, given] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const found = new Function("given", `${code}\nreturn ${expression};`)(given);
console.log(JSON.stringify(found));
"""


class JavaScriptError(Exception):
    """What a function has thrown."""


def evaluate(code: str, expression: str, given: Any = None) -> Any:
    """Return the value of an expression about `given`, where code has made its functions.

    Without Node the test is skipped; where the environment variable CI is set, it fails.
    """
    node = shutil.which("node")
    if node is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)("Node is not installed")
    done = subprocess.run(
        [node, "-e", _PROGRAM],
        input=json.dumps([code, expression, given]),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        thrown = next((line for line in done.stderr.splitlines() if "Error: " in line), done.stderr)
        raise JavaScriptError(thrown.partition("Error: ")[2] or thrown)
    return json.loads(done.stdout)
