#!/usr/bin/env python3
"""Lets every client call every operation it has, and compares the result with docs/reference/clients.md.

    tests/acceptance/clients/run.py BINARY URL

URL is that of a running demo of BINARY, which must allow the origins http://localhost:*. With
ACCEPTANCE_UPDATE=1, the page is written instead of compared.
"""

import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import callers
import generated
from cases import (
    Case,
    Operation,
    cases,
    difference,
    fill,
    kept,
    load,
    operations,
    reason_outside,
)
from document import ANY_CALL, Client, render

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent.parent
PAGE = ROOT / "docs/reference/clients.md"
SDK_PYTHON = FOLDER.parent / ".venv/bin/python"
AGENT = "/api/v1/Agents/User/"
SECONDS = 120


class Driver:
    """The process of a client."""

    def __init__(self, command: list, folder: Path):
        self.log = folder / "driver.log"
        self.process = subprocess.Popen(
            [str(part) for part in command],
            text=True,
            encoding="utf-8",
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log.open("w"),
        )
        self.introduction = self.read()

    def read(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(SECONDS)
            raise SystemExit(f"{self.process.args[0]} ended:\n{self.log.read_text()[-2000:]}")
        return json.loads(line)

    def call(self, request: dict) -> dict:
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.read()

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait(SECONDS)


def request_of(case: Case, url: str, values: dict) -> dict:
    """What a client is asked to call."""
    operation, entry = case.operation, case.entry
    return {
        "index": case.index,
        "operation": operation.id,
        "method": operation.method,
        "path": operation.path,
        "declared": operation.parameters,
        "requestType": operation.request_type if "body" in entry else None,
        "answerType": operation.answer_type,
        "pathArguments": fill(entry.get("path", {}), values),
        "query": fill(entry.get("query", {}), values),
        "body": fill(entry.get("body"), values),
        "caller": callers.credentials(url, case.caller, values),
        "values": values,
    }


def problem(case: Case, answer: dict, values: dict) -> str | None:
    """Why the answer is not the expected one."""
    entry = case.entry
    if "failed" in answer:
        return answer["failed"]
    if "refused" in entry:
        expected = dict(entry["refused"])
        status = expected.pop("Status")
        if answer.get("status", status) != status:
            return f"the status is not {status}: {answer}"
        page, error = expected.pop("Page", None), answer.get("error")
        if page and isinstance(error, str):
            return None if page in error else f"the page does not contain {page!r}: {error!r}"
        return difference(fill(expected, values), error, "error")
    if "error" in answer:
        return f"refused: {answer}"
    if answer.get("status", 200) >= 300:
        return f"the status is {answer['status']}"
    if entry.get("nothing"):
        return None if answer["value"] is None else f"the answer has a body: {answer['value']!r}"
    return difference(fill(entry["answer"], values), answer["value"])


def new_values(kinds: dict, column: str) -> dict:
    """The variables at the beginning. Each run has users of its own."""
    name = f"{column.lower().replace('#', 'sharp')}-{uuid.uuid4().hex[:8]}"
    unset = {variable: 0 if kind == "integer" else "" for variable, kind in kinds.items()}
    return {**unset, "name": name, "password": f"{name} first", "second_password": f"{name} second"}


def run_case(
    client: Client, driver: Driver | None, case: Case, url: str, values: dict
) -> str | None:
    """Runs one case. Returns the problem."""
    request = request_of(case, url, values)
    answer = driver.call(request) if driver else callers.call(url, request)
    found = None if "lacks" in answer else problem(case, answer, values)
    deviation = case.deviation_of(client.column)
    if deviation and not re.search(deviation["problem"], found or ""):
        return (
            f"not the deviation that calls.json has for this client, but: {found or 'as expected'}"
        )
    if deviation and "reads" in deviation:
        client.deviations[case.operation.id] = deviation["reads"]
        return None
    reason = answer.get("lacks") or (deviation and deviation["sends"])
    if reason:
        client.lacks[case.operation.id] = reason
        # Later cases build on what this call does.
        answer = callers.call(url, request)
        found = problem(case, answer, values)
    else:
        client.called.add(case.operation.id)
    if found is None:
        values.update(kept(case, answer.get("value"), values))
    return found


def run_client(
    client: Client, command: list | None, values: dict, known: list[Case], url: str, folder: Path
) -> list[str]:
    """Runs all cases with one client. Returns the problems."""
    driver = Driver(command, folder) if command else None
    if driver:
        client.version = driver.introduction["version"]
        client.methods = driver.introduction.get("methods", [])
    problems = []
    started = time.monotonic()
    for case in known:
        found = run_case(client, driver, case, url, values)
        if found:
            problems.append(f"{client.column}: {case.operation.call}: {found}")
            if case.entry.get("keep"):
                # The cases that follow have no user, or no password.
                break
    if driver:
        driver.stop()
    print(
        f"{client.column}: {len(known)} calls, {time.monotonic() - started:.1f} s", file=sys.stderr
    )
    return problems


def commands(document: Path, table: dict, known: list[Case], url: str, folder: Path):
    """The clients with their commands. Generates those that are made from the document."""
    npm = "the vendor's `@superoffice/webapi`"
    yield Client("Node", f"{npm} from npm, on Node.js"), ["node", FOLDER / "node.mjs", url]
    yield Client("Chromium", f"{npm} from npm, in Chromium"), ["node", FOLDER / "chromium.mjs", url]
    sdk = Client("SDK", "the vendor's `superoffice-python-sdk` from PyPI")
    yield sdk, [SDK_PYTHON, FOLDER / "sdk.py", url]
    made = generated.typescript(document, table, known, folder / "typescript")
    versions = ", ".join(map(generated.npm_version, ("openapi-typescript", "openapi-fetch")))
    name = "generated by openapi-typescript, for openapi-fetch"
    yield Client("TypeScript", name), [*made, url, versions]
    made = generated.python(document, folder / "python")
    yield Client("Python", "generated by openapi-python-client"), [*made, url, folder / "python"]
    made = generated.csharp(document, folder / "csharp")
    name = "generated by OpenAPI Generator (`csharp`, library `httpclient`)"
    yield Client("C#", name), [*made, url, generated.python_version("openapi-generator-cli")]


def call_names(client: Client) -> list[str]:
    """The calls of the vendor's client, as the service spells them."""
    return [name[0].upper() + name.removesuffix("Async")[1:] for name in client.methods]


def outside(
    clients: list[Client], known: dict[str, Operation], url: str
) -> tuple[list[str], list[str]]:
    """The vendor's calls that this service does not have, and the problems with them."""
    node, chromium, *_ = clients
    problems = [] if node.methods == chromium.methods else ["Chromium: other methods than Node"]
    paths = (operation.path for operation in known.values())
    served = {path.removeprefix(AGENT) for path in paths if path.startswith(AGENT)}
    names = set(call_names(node))
    for name in sorted(names - served):
        answer = callers.call(url, empty_request(AGENT + name))
        if (answer["status"], answer.get("error", {}).get("Code")) != (404, "unknown_route"):
            problems.append(f"{name}: no operation of the OpenAPI document, but not 404: {answer}")
    problems += [f"{name}: the npm client has no such method" for name in sorted(served - names)]
    return sorted(names - served), problems


def empty_request(path: str) -> dict:
    """A POST without arguments."""
    return {
        "method": "post",
        "path": path,
        "pathArguments": {},
        "query": {},
        "body": {},
        "requestType": "application/json",
        "answerType": "application/json",
        "caller": callers.ADMINISTRATOR,
    }


def changed_methods(committed: str, names: list[str]) -> list[str]:
    """How the methods of the vendor's client differ from those of the committed page."""
    found = re.findall(r"^(?:- `|\| `POST /api/v1/Agents/User/)(\w+)`", committed, re.MULTILINE)
    before, now = set(found), set(names)
    added = [f"the npm client has a new method: {name}" for name in sorted(now - before)]
    return added + [
        f"the npm client no longer has the method {name}" for name in sorted(before - now)
    ]


def compare(page: str, names: list[str]) -> list[str]:
    """The differences from the committed page. The caller may ask to write it instead."""
    if os.environ.get("ACCEPTANCE_UPDATE"):
        PAGE.write_text(page, encoding="utf-8")
        return []
    committed = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if committed == page:
        return []
    pages = committed.splitlines(), page.splitlines()
    lines = difflib.unified_diff(*pages, "committed", "this run", lineterm="", n=0)
    command = 'ACCEPTANCE_UPDATE=1 script/acceptance "every client"'
    changes = changed_methods(committed, names)
    return [*changes, f"docs/reference/clients.md is outdated; run {command}:", *lines]


def main(binary: str, url: str) -> int:
    document = json.loads(
        subprocess.run([binary, "openapi"], capture_output=True, check=True).stdout
    )
    table = load(ROOT / "tests/clients/calls.json")
    known = operations(document)
    selected = cases(table, known)
    descriptions = {case.operation.id for case in selected if case.entry["operation"] == ANY_CALL}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        path = folder / "openapi.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        kinds = table["variables"]
        problems = run_client(
            Client("table", ""), None, new_values(kinds, "table"), selected, url, folder
        )
        clients = []
        for client, command in commands(path, table, selected, url, folder) if not problems else ():
            problems += run_client(
                client, command, new_values(kinds, client.column), selected, url, folder
            )
            clients.append(client)
    if not problems:
        missing, problems = outside(clients, known, url)
        reasons = {name: reason_outside(table, name) for name in missing}
    if not problems:
        problems = compare(render(clients, known, descriptions, reasons), call_names(clients[0]))
    print("\n".join(problems), file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
