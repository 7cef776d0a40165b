"""Generates clients from the OpenAPI document and compiles them."""

import json
import shutil
import subprocess
from pathlib import Path

from cases import VARIABLE, Case

FOLDER = Path(__file__).parent
MODULES = FOLDER / "node_modules"
PROGRAMS = FOLDER / ".venv" / "bin"
ASSEMBLIES = (
    "System.Net.Http",
    "System.ComponentModel.DataAnnotations",
    "System.Runtime.Serialization",
    "System.Web",
)
# The package of another generator, which ships this library of the generated code.
JSON_LIBRARY = MODULES / "nswag/bin/binaries/Win/Newtonsoft.Json.dll"
TYPES = {"string": "string", "integer": "number"}


def run(*command: str | Path, folder: Path) -> None:
    """Runs a program. Its output is shown only if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-4000:]}")


def npm_version(package: str) -> str:
    return json.loads((MODULES / package / "package.json").read_text())["version"]


def python_version(package: str) -> str:
    """The version in requirements.txt."""
    pins = dict(line.split("==") for line in (FOLDER / "requirements.txt").read_text().split())
    return pins[package]


def literal(template) -> str:
    """A TypeScript expression for a template with variables."""
    if isinstance(template, dict):
        members = (f"{json.dumps(name)}: {literal(member)}" for name, member in template.items())
        return "{ " + ", ".join(members) + " }"
    if isinstance(template, list):
        return "[" + ", ".join(map(literal, template)) + "]"
    if not isinstance(template, str) or not VARIABLE.search(template):
        return json.dumps(template)
    whole = VARIABLE.fullmatch(template)
    if whole:
        return f"values.{whole[1]}"
    text = json.dumps(template)[1:-1].replace("`", "\\`").replace('\\"', '"')
    return "`" + VARIABLE.sub(lambda match: f"${{values.{match[1]}}}", text) + "`"


def typescript_call(case: Case) -> str:
    """The call of a case, typed as the generated client requires."""
    operation, entry = case.operation, case.entry
    options = []
    given = [f"{name}: {literal(entry[name])}" for name in ("path", "query") if name in entry]
    if given:
        options.append("params: { " + ", ".join(given) + " }")
    if "body" in entry:
        options.append(f"body: {literal(entry['body'])}")
        if not operation.request_type.endswith("json"):
            options.append(
                f'bodySerializer: (body) => body, headers: {{ "Content-Type": {json.dumps(operation.request_type)} }}'
            )
    if operation.answer_type and not operation.answer_type.endswith("json"):
        options.append('parseAs: "text"')
    inputs = ", ".join(
        [json.dumps(operation.path), *(["{ " + ", ".join(options) + " }"] if options else [])]
    )
    return f"  (client, values) => client.{operation.method.upper()}({inputs}),"


def typescript(document: Path, table: dict, cases: list[Case], folder: Path) -> list:
    """The command of the TypeScript client, compiled with all checks."""
    folder.mkdir()
    (folder / "node_modules").symlink_to(MODULES)
    (folder / "package.json").write_text('{ "type": "module" }')
    shutil.copy(FOLDER / "driver.ts", folder)
    run(MODULES / ".bin/openapi-typescript", document, "-o", folder / "paths.ts", folder=folder)
    variables = [f"  {name}: {TYPES[kind]};" for name, kind in table["variables"].items()]
    lines = [
        'import type { Client } from "openapi-fetch";',
        'import type { paths } from "./paths.js";',
        "export interface Values {",
        *variables,
        "}",
        "type Answer = Promise<{ data?: unknown; error?: unknown; response: Response }>;",
        "export const calls: ((client: Client<paths>, values: Values) => Answer)[] = [",
        *map(typescript_call, cases),
        "];",
        "",
    ]
    (folder / "calls.ts").write_text("\n".join(lines))
    checks = [
        "--strict",
        "--noUncheckedIndexedAccess",
        "--noImplicitReturns",
        "--exactOptionalPropertyTypes",
    ]
    target = [
        "--module",
        "nodenext",
        "--target",
        "es2022",
        "--lib",
        "es2022,dom",
        "--types",
        "node",
    ]
    run(MODULES / ".bin/tsc", *checks, *target, "driver.ts", folder=folder)
    return ["node", folder / "driver.js"]


def python(document: Path, folder: Path) -> list:
    """The command of the Python client."""
    folder.mkdir()
    package = folder / "keeper_client"
    generator = PROGRAMS / "openapi-python-client"
    run(
        generator,
        "generate",
        "--path",
        document,
        "--output-path",
        package,
        "--meta",
        "none",
        folder=folder,
    )
    return [PROGRAMS / "python", FOLDER / "generated_python.py"]


def csharp(document: Path, folder: Path) -> list:
    """The command of the C# client, compiled with Mono."""
    folder.mkdir()
    shutil.copy(JSON_LIBRARY, folder)
    options = (
        "packageName=Keeper,targetFramework=net48,nullableReferenceTypes=false,supportsRetry=false"
    )
    run(
        PROGRAMS / "openapi-generator-cli",
        "generate",
        "-g",
        "csharp",
        "--library",
        "httpclient",
        "-i",
        document,
        "-o",
        folder / "client",
        f"--additional-properties={options}",
        folder=folder,
    )
    references = [f"-r:{name}.dll" for name in (*ASSEMBLIES, "Newtonsoft.Json")]
    sources = ["-recurse:client/src/Keeper/*.cs", FOLDER / "Driver.cs"]
    run(
        "mcs",
        "-langversion:latest",
        "-warn:0",
        "-out:Driver.exe",
        *references,
        *sources,
        folder=folder,
    )
    return ["mono", folder / "Driver.exe"]
