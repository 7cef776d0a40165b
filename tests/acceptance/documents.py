#!/usr/bin/env python3
"""Runs the shell lines of README.md, docs/tutorial.md and docs/how-to/*.md as printed.

    tests/acceptance/documents.py BINARY [DOCUMENT…]

BINARY is the service; the variable KEEPER_BINARY replaces the argument when it is not given. Without a
DOCUMENT, all of them run. Each document runs in one `bash -euo pipefail`, in a scratch folder, with
BINARY on PATH as `credential-keeper`. `script/server` in that folder runs BINARY without building it.

HTML comments in a document say how it runs. At its top, one of:

    <!-- run: dev -->         `dev` runs on 127.0.0.1:8080 with an empty data folder
    <!-- run: database -->    an empty PostgreSQL runs; the settings name it and a keyring to be made
    <!-- run: commands -->    the same, with the keyring and the tables
    <!-- run: serve -->       the same, and `serve` runs and logs to keeper.log
    <!-- run: shell -->       nothing runs; the document starts what it needs

Anywhere, `<!-- given: COMMAND -->` runs a command that readers need not see, such as adding a user whom
the text takes for granted; $ACCEPTANCE is the folder of this file. Directly before a fenced block:

    <!-- not run: REASON -->    this sh block is not run; the summary names it and the reason
    <!-- server -->             this sh block is the other terminal: it stops the previous such block
                                with Ctrl-C, starts, and prints `ready` before the document goes on
    <!-- prints -->             this block is the output of the sh block before it
    <!-- file: NAME -->         the reader saves this block as NAME

In expected output, `…` matches any text. A json block is compared as JSON, in which a member `"…"`
allows further members. A curl line must be answered with 2xx or 3xx, or with the status in a comment
at its end (`# 401`). When a port of a document is in use, another one is used and replaced in the
lines; README.md needs its own.
"""

import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ports import free_ports, is_free

ROOT = Path(__file__).resolve().parents[2]
MODES = ("dev", "database", "commands", "serve", "shell")
PORTS = (8080, 9090)
START_SECONDS = 120
DOCUMENT_SECONDS = 300

PRELUDE = r"""
unset BASH_ENV
set -E
trap 'printf "%s\n" "$LINENO" >>"$RUNNER/failed"' ERR

# Notes the status of every answer beside the line of the document that asked.
curl() {
    local line=${BASH_LINENO[0]} note exit=0
    note=$(mktemp "$RUNNER/note.XXXXXX")
    command curl --no-progress-meter -w '%{stderr}\n@@status %{http_code}\n' "$@" 2>"$note" || exit=$?
    sed -n "s/^@@status /$line /p" "$note" >>"$RUNNER/statuses"
    sed '/^@@status /d' "$note" >&2
    rm -f "$note"
    return "$exit"
}

# $1: the script of the other terminal.
start_terminal() {
    stop_terminal
    setsid env --default-signal=INT bash -euo pipefail "$1" >"$1.out" 2>&1 &
    terminal=$!
    echo "$terminal" >>"$RUNNER/groups"
    local tries
    for tries in $(seq 1200); do
        if grep -q '^ready ' "$1.out"; then return 0; fi
        if ! kill -0 "$terminal" 2>/dev/null; then break; fi
        sleep 0.1
    done
    cat "$1.out" >&2
    echo 'the other terminal did not print ready' >&2
    return 1
}

stop_terminal() {
    [ -n "${terminal:-}" ] || return 0
    kill -INT -- "-$terminal" 2>/dev/null || true
    wait "$terminal" 2>/dev/null || true
    terminal=
}
"""


class Failure(Exception):
    """Something that the summary names."""


class Block:
    """A fenced block of a document, with the comment before it."""

    def __init__(self, language, comment, first_line):
        self.language = language
        self.comment = comment
        self.first_line = first_line
        self.lines = []

    @property
    def fence_line(self):
        return self.first_line - 1

    @property
    def text(self):
        return "".join(line + "\n" for line in self.lines)


class Document:
    """A Markdown file: how it runs, and its blocks."""

    def __init__(self, path):
        self.path = Path(path).resolve()
        self.name = os.path.relpath(self.path, ROOT)
        self.line_count = 0
        self.mode = None
        self.blocks = []
        self.given = {}
        self.parse(self.path.read_text(encoding="utf-8").splitlines())

    def parse(self, lines):
        block, comment = None, ""
        self.line_count = len(lines)
        for number, line in enumerate(lines, start=1):
            if block is not None:
                if line.strip() == "```":
                    self.blocks.append(block)
                    block, comment = None, ""
                else:
                    block.lines.append(line[block.indent:] if line[:block.indent].isspace() else line)
                continue
            fence = re.match(r"(\s*)```(\w*)\s*$", line)
            if fence:
                block = Block(fence[2], comment, number + 1)
                block.indent = len(fence[1])
                continue
            note = re.fullmatch(r"\s*<!-- (.*?) -->\s*", line)
            if note:
                run = re.fullmatch(r"run: (\w+)", note[1])
                if run:
                    self.mode = run[1]
                elif note[1].startswith("given: "):
                    self.given[number] = note[1].removeprefix("given: ")
                else:
                    comment = note[1]
            elif line.strip():
                comment = ""
        if block is not None:
            raise Failure(f"{self.name}:{block.fence_line}: the block is not closed")
        runs = any(block.language == "sh" and not block.comment.startswith("not run") for block in self.blocks)
        if (runs or self.mode) and self.mode not in MODES:
            raise Failure(f"{self.name}: has shell lines and needs a comment <!-- run: MODE -->, one of {MODES}")

    def commands(self, block):
        """The lines of a block, joined where a backslash or an open quote goes on, as (numbers, text)."""
        numbers, text = [], ""
        for number, line in enumerate(block.lines, start=block.first_line):
            numbers.append(number)
            text += line + "\n"
            if line.endswith("\\") or line.rstrip().endswith("|") or text.count("'") % 2:
                continue
            yield numbers, text
            numbers, text = [], ""
        if numbers:
            yield numbers, text


def replaced_ports(document):
    """Each port that is in use, and the one that replaces it."""
    taken = [port for port in PORTS if not is_free(port)]
    if taken and document.name == "README.md":
        raise Failure(f"README.md: port {taken[0]} is in use; stop the program that listens there")
    return dict(zip(taken, free_ports()))


class Run:
    """One run of a document in a scratch folder."""

    def __init__(self, document, binary):
        self.document = document
        self.ports = replaced_ports(document)
        self.folder = Path(tempfile.mkdtemp(prefix="documents-"))
        # PostgreSQL runs as an account of its own when root runs this.
        self.folder.chmod(0o755)
        self.runner = self.folder / ".runner"
        self.work = self.folder / "work"
        self.processes = []
        self.count = 0
        for folder in (self.runner, self.runner / "bin", self.work, self.work / "script"):
            folder.mkdir()
        (self.runner / "bin" / "credential-keeper").symlink_to(binary)
        server = self.work / "script" / "server"
        listen = f"127.0.0.1:{self.port(8080)}"
        server.write_text(f'#!/bin/sh\nexec credential-keeper dev --data data --listen {listen} "$@"\n')
        server.chmod(0o755)

    def port(self, port):
        return self.ports.get(port, port)

    def environment(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KEEPER")}
        environment["PATH"] = f"{self.runner / 'bin'}:{environment['PATH']}"
        environment["ACCEPTANCE"] = str(ROOT / "tests" / "acceptance")
        environment["RUNNER"] = str(self.runner)
        environment["KEEPER__LOG__FORMAT"] = "json"
        if 8080 in self.ports:
            environment["KEEPER__HTTP__LISTEN"] = f"127.0.0.1:{self.ports[8080]}"
        if 9090 in self.ports:
            environment["KEEPER__OPERATIONS__LISTEN"] = f"127.0.0.1:{self.ports[9090]}"
        return environment

    def start(self, environment, *arguments, log=None):
        """Starts the service and returns what its `ready` line names."""
        log = log or self.runner / "service.log"
        with log.open("ab") as errors:
            process = subprocess.Popen(
                ["credential-keeper", *arguments], cwd=self.work, env=environment, text=True,
                stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
        self.processes.append(process)
        line = process.stdout.readline().split()
        if len(line) != 2 or line[0] != "ready":
            raise Failure(f"{self.document.name}: the service did not start: {log.read_text()[-1000:]}")
        return line[1]

    def prepare(self):
        environment = self.environment()
        # Not where the document's own `dev` would keep its data.
        data = str(self.folder / "database")
        if self.document.mode == "dev":
            self.start(environment, "dev", "--data", data, "--listen", f"127.0.0.1:{self.port(8080)}")
        elif self.document.mode != "shell":
            environment["KEEPER__DATABASE__URL"] = self.start(environment, "dev", "--database-only", "--data", data)
            environment["KEEPER__KEYRING__FILE"] = str(self.work / "keyring.json")
        if self.document.mode in ("commands", "serve"):
            for command in (["keys", "generate"], ["migrate"]):
                subprocess.run(["credential-keeper", *command], cwd=self.work, env=environment, check=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if self.document.mode == "serve":
            self.start(environment, "serve", log=self.work / "keeper.log")
        return environment

    def substituted(self, line):
        for port, replacement in self.ports.items():
            line = line.replace(f":{port}", f":{replacement}")
        return line

    def script(self):
        """The document with everything but its shell lines blanked, so that line numbers are the same."""
        lines = [""] * (self.document.line_count + 1)
        for number, command in self.document.given.items():
            lines[number] = self.substituted(f"{{ {command}; }} >/dev/null")
        for block in self.document.blocks:
            file = re.fullmatch(r"file: (\S+)", block.comment)
            if file:
                saved = self.runner / f"file.{block.first_line}"
                saved.write_text(self.substituted(block.text))
                lines[block.fence_line] = f'cp "{saved}" {file[1]}'
            if block.language != "sh" or block.comment.startswith("not run"):
                continue
            self.count += sum(1 for line in block.lines if line.strip() and not line.lstrip().startswith("#"))
            if block.comment == "server":
                terminal = self.runner / f"terminal.{block.first_line}"
                terminal.write_text(self.substituted(block.text))
                lines[block.fence_line] = f'start_terminal "{terminal}"'
                continue
            lines[block.fence_line] = f'exec >"{self.output(block)}"'
            for number, line in enumerate(block.lines, start=block.first_line):
                lines[number] = self.substituted(line)
        path = self.runner / "script"
        path.write_text("\n".join(lines[1:]) + "\n")
        return path

    def output(self, block):
        suffix = f"terminal.{block.first_line}.out" if block.comment == "server" else f"out.{block.first_line}"
        return self.runner / suffix

    def execute(self):
        prelude = self.runner / "prelude"
        prelude.write_text(PRELUDE)
        script, environment = self.script(), self.prepare()
        environment["BASH_ENV"] = str(prelude)
        errors = self.runner / "errors"
        with errors.open("wb") as stderr:
            bash = subprocess.Popen(
                ["bash", "-euo", "pipefail", str(script)], cwd=self.work, env=environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True)
        self.processes.append(bash)
        try:
            code = bash.wait(timeout=DOCUMENT_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.document.name}: timed out after {DOCUMENT_SECONDS} s") from None
        # A refused request often is the reason of a failing line, so it is named first.
        problems = self.wrong_statuses()
        if code:
            failed = self.runner / "failed"
            numbers = failed.read_text().split() if failed.exists() else []
            # An unbound variable or a syntax error fires no trap; bash names the line itself.
            named = re.findall(r": line (\d+):", errors.read_text())
            number = (numbers or named or ["?"])[0]
            printed = max(self.runner.glob("out.*"), key=lambda file: file.stat().st_mtime_ns, default=None)
            said = errors.read_text() + (printed.read_text(errors="replace") if printed else "")
            said = said.strip().replace(str(script), self.document.name)
            problems.append(f"{self.document.name}:{number}: exited with {code}: {self.text_of(number)}\n{said[-1500:]}")
        else:
            problems.extend(self.wrong_outputs())
        if problems:
            raise Failure("\n".join(problems))

    def text_of(self, number):
        """The command of the document on that line."""
        if str(number) in map(str, self.document.given):
            return self.document.given[int(number)]
        for block in self.document.blocks:
            for numbers, text in self.document.commands(block):
                if str(number) in map(str, numbers):
                    return text.strip()
        return ""

    def wrong_statuses(self):
        statuses = self.runner / "statuses"
        if not statuses.exists():
            return []
        promised = {}
        for block in self.document.blocks:
            for numbers, text in self.document.commands(block):
                comment = re.search(r"#\s*(\d{3})\b[^\n]*$", text.rstrip())
                for number in numbers:
                    promised[number] = comment[1] if comment else None
        problems = []
        for line in statuses.read_text().splitlines():
            number, status = line.split()
            if int(number) in self.document.given:
                continue
            expected = promised.get(int(number))
            if status != expected if expected else status[0] not in "23":
                wanted = expected or "2xx or 3xx"
                command = self.text_of(number)
                problems.append(f"{self.document.name}:{number}: status {status}, expected {wanted}: {command}")
        return problems

    def wrong_outputs(self):
        problems, previous = [], None
        for block in self.document.blocks:
            if block.comment == "prints":
                if previous is None:
                    problems.append(f"{self.document.name}:{block.fence_line}: no sh block was run before this output")
                    continue
                printed = self.output(previous).read_text(errors="replace")
                expected = self.substituted(block.text)
                if not matches(block.language, expected, printed):
                    problems.append(f"{self.document.name}:{block.fence_line}: expected\n{expected}printed\n{printed}")
            elif block.language == "sh":
                previous = None if block.comment.startswith("not run") else block
        return problems

    def close(self):
        groups = self.runner / "groups"
        for group in groups.read_text().split() if groups.exists() else []:
            end_group(int(group), signal.SIGINT)
        for process in reversed(self.processes):
            end_group(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                end_group(process.pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def end_group(group, with_signal):
    """Ends a process group and waits until it is gone."""
    try:
        os.killpg(group, with_signal)
        for _ in range(600):
            os.killpg(group, 0)
            # Reaps the group's leader if it is a child of this process.
            try:
                os.waitpid(group, os.WNOHANG)
            except ChildProcessError:
                pass
            time.sleep(0.05)
    except ProcessLookupError:
        pass


def matches(language, expected, printed):
    if language == "json":
        try:
            return matches_json(json.loads(expected), json.loads(printed))
        except ValueError:
            return False
    return matches_text(expected.strip(), printed.strip().replace("\r", ""))


def matches_text(expected, printed):
    pattern = ".*?".join(re.escape(part) for part in expected.split("…"))
    return re.fullmatch(pattern, printed, re.DOTALL) is not None


def matches_json(expected, printed):
    if isinstance(expected, dict) and isinstance(printed, dict):
        members = {name: value for name, value in expected.items() if name != "…"}
        is_whole = "…" in expected or members.keys() == printed.keys()
        return is_whole and all(
            name in printed and matches_json(value, printed[name]) for name, value in members.items())
    if isinstance(expected, list) and isinstance(printed, list):
        if expected and expected[-1] == "…":
            expected = expected[:-1]
            printed = printed[:len(expected)]
        return len(expected) == len(printed) and all(map(matches_json, expected, printed))
    if isinstance(expected, str) and "…" in expected:
        return matches_text(expected, str(printed))
    return expected == printed


def run(path, binary):
    """Runs a document and returns how many lines it ran."""
    document = Document(path)
    skipped = [(document.name, block.fence_line, block.comment.removeprefix("not run: "))
               for block in document.blocks if block.comment.startswith("not run")]
    if document.mode is None:
        return 0, skipped
    attempt = Run(document, binary)
    try:
        attempt.execute()
    finally:
        attempt.close()
    return attempt.count, skipped


def main(arguments):
    binary = arguments[0] if arguments else os.environ.get("KEEPER_BINARY")
    if not binary or not os.access(binary, os.X_OK):
        print("usage: documents.py BINARY [DOCUMENT…]", file=sys.stderr)
        return 2
    documents = arguments[1:] or [
        ROOT / "README.md", ROOT / "docs/tutorial.md", *sorted(glob.glob(str(ROOT / "docs/how-to/*.md")))]
    not_run, failed = [], 0
    for path in documents:
        try:
            count, skipped = run(path, Path(binary).resolve())
            not_run.extend(skipped)
            print(f"ok      {os.path.relpath(path, ROOT)}: {count} lines")
        except Failure as failure:
            failed += 1
            print(f"FAILED  {failure}")
        sys.stdout.flush()
    for name, line, reason in not_run:
        print(f"not run {name}:{line}: {reason}")
    print(f"{len(documents)} documents, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
