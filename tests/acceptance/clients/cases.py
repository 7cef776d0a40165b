"""The table of calls, tests/clients/calls.json: what each client sends and what it must get.

`outside` gives the reason why a call of the vendor's client has no operation, by the pattern of its
name. An entry of `cases` calls one operation of the OpenAPI document. Entries run in their order, with the same
variables:

    operation   the operationId; a `*` at its end means every operation that begins so
    caller      administrator (default), user, ticket, session or anonymous
    path, query, body    the arguments; "${variable}" is replaced
    answer      what the answer must be (see `difference`), or instead of it
    nothing     true: the answer has no body
    refused     the status, the members of the error, and a text of the page ("Page") that clients get
                if they ask for one
    keep        variables to set: the path of a member of the answer, "." for the answer, or "=" and a text
    deviations  names of known deviations

A deviation has the clients that it is of, and why they cannot send the call ("sends") or cannot read
the answer ("reads"); `problem` is a pattern of what the run sees instead of the answer.
"""

import fnmatch
import json
import re
from dataclasses import dataclass

METHODS = ("get", "post", "put", "patch", "delete")
KINDS = {"string": str, "integer": int, "boolean": bool, "object": dict, "list": list}
VARIABLE = re.compile(r"\$\{(\w+)\}")
CALLERS = ("administrator", "user", "ticket", "session", "anonymous")
MEMBERS = {
    "operation",
    "caller",
    "path",
    "query",
    "body",
    "answer",
    "nothing",
    "refused",
    "keep",
    "deviations",
}


@dataclass(frozen=True)
class Operation:
    """An operation of the OpenAPI document."""

    id: str
    method: str
    path: str
    request_type: str | None
    answer_type: str | None
    parameters: tuple[str, ...]

    @property
    def call(self) -> str:
        return f"{self.method.upper()} {self.path}"


@dataclass(frozen=True)
class Case:
    """One entry for one operation."""

    index: int
    operation: Operation
    entry: dict
    deviations: tuple[dict, ...]

    @property
    def caller(self) -> str:
        return self.entry.get("caller", "administrator")

    def deviation_of(self, client: str) -> dict | None:
        """The known deviation of a client."""
        return next((known for known in self.deviations if client in known["clients"]), None)


def operations(document: dict) -> dict[str, Operation]:
    """The operations of an OpenAPI document by id."""
    found = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method not in methods:
                continue
            described = methods[method]
            sent = (described.get("requestBody") or {}).get("content", {})
            answers = described["responses"]
            success = next(answers[status] for status in sorted(answers) if status.startswith("2"))
            names = tuple(parameter["name"] for parameter in described.get("parameters", []))
            found[described["operationId"]] = Operation(
                described["operationId"],
                method,
                path,
                next(iter(sent), None),
                next(iter(success.get("content", {})), None),
                names,
            )
    return found


def cases(table: dict, known: dict[str, Operation]) -> list[Case]:
    """The cases of the table. Fails if an operation has none, or an entry no operation."""
    found: list[Case] = []
    for entry in table["cases"]:
        name = entry["operation"]
        unknown = set(entry) - MEMBERS
        assert not unknown, f"calls.json: {name}: unknown members {sorted(unknown)}"
        assert entry.get("caller", "user") in CALLERS, f"calls.json: {name}: unknown caller"
        deviations = tuple(table["deviations"][key] for key in entry.get("deviations", []))
        named = fnmatch.filter(known, name)
        assert named, f"calls.json: {name}: the OpenAPI document has no such operation"
        found += [
            Case(len(found) + i, known[id], entry, deviations) for i, id in enumerate(sorted(named))
        ]
    missing = sorted(set(known) - {case.operation.id for case in found})
    assert not missing, f"calls.json: add an entry for each of these operations: {missing}"
    return found


def reason_outside(table: dict, name: str) -> str:
    """Why a call of the vendor's client has no operation."""
    for reason, patterns in table["outside"].items():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            return reason
    return "not served yet"


def fill(template, values: dict):
    """The template with the values of its variables. A text that is one variable gets its type."""
    if isinstance(template, dict):
        return {name: fill(member, values) for name, member in template.items()}
    if isinstance(template, list):
        return [fill(item, values) for item in template]
    if not isinstance(template, str):
        return template
    whole = VARIABLE.fullmatch(template)
    if whole:
        return values[whole[1]]
    return VARIABLE.sub(lambda match: str(values[match[1]]), template)


def member(value: dict, name: str):
    """A member by its name without regard to case, as every client has its own."""
    for key, found in value.items():
        if key.lower() == name.lower():
            return found
    return KeyError


def difference(pattern, value, where: str = "answer") -> str | None:
    """Why the value is not what the pattern describes; `None` if it is.

    An object needs the members of the pattern and may have more; `{"$exactly": …}` is an object without
    more. A list has the length of the pattern; `{"$contains": …}` is a list with such an item. `{"$any":
    "string"}` is any value of a type, and `{"$matches": "…"}` a text with a match.
    """
    if isinstance(pattern, dict) and len(pattern) == 1:
        ((rule, argument),) = pattern.items()
        if rule == "$any":
            is_of_kind = isinstance(value, KINDS[argument])
            is_boolean = isinstance(value, bool) and argument != "boolean"
            return (
                None
                if is_of_kind and not is_boolean
                else f"{where} is not of type {argument}: {value!r}"
            )
        if rule == "$matches":
            is_match = isinstance(value, str) and re.search(argument, value)
            return (
                None if is_match else f"{where} does not match {argument!r}: {str(value)[:200]!r}"
            )
        if rule == "$exactly":
            return None if value == argument else f"{where} is not {argument!r}: {value!r}"
        if rule == "$contains":
            is_in = isinstance(value, list) and any(
                difference(argument, item) is None for item in value
            )
            return None if is_in else f"{where} has no item {argument!r}: {value!r}"
    if isinstance(pattern, dict):
        if not isinstance(value, dict):
            return f"{where} is not an object: {value!r}"
        found = ((name, member(value, name), expected) for name, expected in pattern.items())
        problems = (
            f"{where}.{name} is missing"
            if inner is KeyError
            else difference(expected, inner, f"{where}.{name}")
            for name, inner, expected in found
        )
        return next((problem for problem in problems if problem), None)
    if isinstance(pattern, list):
        if not isinstance(value, list) or len(value) != len(pattern):
            return f"{where} is not a list of {len(pattern)}: {value!r}"
        problems = (
            difference(*pair, f"{where}[{i}]")
            for i, pair in enumerate(zip(pattern, value, strict=True))
        )
        return next((problem for problem in problems if problem), None)
    is_same = type(pattern) is type(value) and pattern == value
    return None if is_same else f"{where} is not {pattern!r}: {value!r}"


def kept(case: Case, value, values: dict) -> dict:
    """The variables that the case sets."""
    variables = {}
    for name, source in case.entry.get("keep", {}).items():
        if source.startswith("="):
            variables[name] = fill(source[1:], values)
            continue
        found = value
        for step in filter(None, source.split(".")):
            found = found[int(step)] if step.isdigit() else member(found, step)
        variables[name] = found
    return variables


def load(path) -> dict:
    with open(path, encoding="utf-8") as file:
        return json.load(file)
