#!/usr/bin/env python3
"""Makes the release twice, in two folders, and checks what is shipped.

The builds have no network access where the account may create a network namespace.
"""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import zlib

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BINARY = "credential-keeper"
# Bytes. Several codegen units for a crate, or optimization for speed, make it larger.
MAXIMUM_SIZE = 28_000_000


def run(*command, **options):
    return subprocess.run(command, check=True, **options)


def output(*command, **options):
    return run(*command, stdout=subprocess.PIPE, **options).stdout


def copy_sources(folder):
    """Copies the files that git tracks, with their present contents."""
    folder.mkdir(parents=True)
    names = output("git", "ls-files", "-z", cwd=REPOSITORY)
    archive = output("tar", "--null", "--create", "--files-from=-", input=names, cwd=REPOSITORY)
    run("tar", "--extract", input=archive, cwd=folder)


def offline():
    """The command that runs another one without network access."""
    isolated = ["unshare", "--net", "--"]
    is_allowed = subprocess.run([*isolated, "true"], capture_output=True).returncode == 0
    if not is_allowed:
        print("release: not built without network access, because `unshare --net` is not permitted")
    return isolated if is_allowed else []


def make_release(folder, target, key):
    """Runs script/release and returns the folder with its results."""
    environment = os.environ | {
        "CARGO_TARGET_DIR": str(target),
        "SOURCE_DATE_EPOCH": "1764201600",
        "RELEASE_SIGNING_KEY": str(key),
    }
    run(*offline(), "script/release", cwd=folder, env=environment)
    return target / "dist"


def check_same(one, other):
    """Both folders have the same files with the same bytes."""
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in other.iterdir()), names
    unsigned = [name for name in names if name != "SHA256SUMS.sig"]
    differing = [n for n in unsigned if (one / n).read_bytes() != (other / n).read_bytes()]
    assert not differing, f"these files differ between two folders: {differing}"
    kinds = [BINARY, f"{BINARY}.debug", f"{BINARY}.cdx.json", "SHA256SUMS", "SHA256SUMS.sig"]
    assert set(kinds) < set(names) and any(name.endswith(".deb") for name in names), names


def check_signature(dist, key, work):
    """The checksums match, and their signature is of the key and of no other text."""
    run("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS", cwd=dist)
    listed = {line.split()[1] for line in (dist / "SHA256SUMS").read_text().splitlines()}
    assert listed == {path.name for path in dist.iterdir()} - {"SHA256SUMS", "SHA256SUMS.sig"}
    signers = work / "signers"
    signers.write_text(f"release {key.with_suffix('.pub').read_text()}")
    verify = ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", "release", "-n", "file"]
    verify += ["-s", dist / "SHA256SUMS.sig"]
    text = (dist / "SHA256SUMS").read_bytes()
    run(*verify, input=text, stdout=subprocess.DEVNULL)
    changed = subprocess.run(verify, input=text.replace(b"a", b"b", 1), capture_output=True)
    assert changed.returncode != 0, "the signature is valid for other checksums"


def check_binary(dist, folders):
    """The binary is stripped, linked to its debug information, and names no folder of this machine."""
    binary, debug = dist / BINARY, dist / f"{BINARY}.debug"
    run(binary, "--version", stdout=subprocess.DEVNULL)
    size = binary.stat().st_size
    assert size < MAXIMUM_SIZE, f"{BINARY} has {size} bytes"
    sections = output("readelf", "--sections", "--wide", binary).decode()
    assert ".debug_line" not in sections and ".symtab" not in sections
    assert ".debug_line" in output("readelf", "--sections", "--wide", debug).decode()
    # A checksum follows the name.
    link = output("readelf", "--string-dump=.gnu_debuglink", binary)
    assert f"{BINARY}.debug".encode() in link, link
    # `/root` is a folder, and the beginning of `/root.rs`.
    names = [re.escape(str(folder)).encode() + rb"(?![\w.-])" for folder in folders]
    for path in dist.iterdir():
        found = re.search(b"|".join(names), path.read_bytes())
        assert found is None, f"{path.name} contains {found[0].decode()}"


def check_memory(dist):
    """The memory of the release has no secret: its compiler moves values in other ways than that of a
    test."""
    environment = os.environ | {"TEST_BINARY": str(dist / BINARY), "SQLX_OFFLINE": "true"}
    name = "canary::no_secret_is_left_in_logs_answers_database_metrics_or_memory"
    test = ["cargo", "nextest", "run", "--locked", "--test", "api", "--", "--exact", name]
    run(*test, cwd=REPOSITORY, env=environment)


def locked_crates():
    """Name and version of every crate of Cargo.lock."""
    lock = (REPOSITORY / "Cargo.lock").read_text()
    return set(re.findall(r'^name = "(.+)"\nversion = "(.+)"$', lock, re.MULTILINE))


def embedded_crates(dist, work):
    """The crates that the binary itself lists."""
    section = work / "dependencies"
    run("objcopy", "--dump-section", f".dep-v0={section}", dist / BINARY, work / "copy")
    packages = json.loads(zlib.decompress(section.read_bytes()))["packages"]
    return {(package["name"], package["version"]) for package in packages}


def check_bill_of_materials(dist, crates):
    """The file follows the schema and lists every crate of the binary, with licenses and checksums."""
    text = (dist / f"{BINARY}.cdx.json").read_text()
    error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    assert error is None, error
    components = json.loads(text)["components"]
    listed = {(component["name"], component["version"]) for component in components}
    own = {crate for crate in crates if crate[0] == BINARY}
    assert crates - listed - own == set(), f"not listed: {crates - listed - own}"
    for component in components:
        if "download_url=file" not in component["purl"]:
            assert component["licenses"] and component["hashes"], component["name"]


def check_advisories(work):
    """Without a database, a line says so. With one, an advisory for a used crate is an error."""
    home = work / "cargo"
    # cargo-deny finds the registry here, where it is not an advisory database.
    home.mkdir()
    cargo_home = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo"))
    for name in ["bin", "registry"]:
        (home / name).symlink_to(cargo_home / name)
    environment = os.environ | {"CARGO_HOME": str(home)}
    check = dict(cwd=REPOSITORY, env=environment, text=True, stderr=subprocess.PIPE)
    result = run("script/advisories", **check)
    assert "no advisory database" in result.stderr, result.stderr
    # The folder has the name that cargo-deny computes for the default database.
    database = home / "advisory-dbs" / "advisory-db-3157b0e258782691"
    advisory = database / "crates/tokio/RUSTSEC-2026-9999.md"
    advisory.parent.mkdir(parents=True)
    advisory.write_text(
        '```toml\n[advisory]\nid = "RUSTSEC-2026-9999"\npackage = "tokio"\ndate = "2026-11-01"\n'
        '[versions]\npatched = []\n```\n\n# A test\n\nText.\n'
    )
    git = ["git", "-C", database, "-c", "user.name=test", "-c", "user.email=test@localhost"]
    run(*git, "init", "--quiet")
    run(*git, "add", "--all")
    run(*git, "commit", "--quiet", "--message", "test")
    run(*git, "fetch", "--quiet", ".", "HEAD")
    for command in ["script/advisories"], ["script/release"], ["script/release", "binary"]:
        result = subprocess.run(command, **check)
        assert result.returncode != 0 and "RUSTSEC-2026-9999" in result.stderr, result.stderr
        assert "Compiling" not in result.stderr, result.stderr


def main():
    run("script/setup", "ci", "release", cwd=REPOSITORY)
    with contextlib.ExitStack() as stack:
        work = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        check_advisories(work)
        key = work / "key"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        # The compiler and the bill of materials write a space, and the name of the package, in other ways.
        folders = [work / "sources", work / "another place" / "credential-keeper"]
        targets = [folders[0] / "target", work / "another build"]
        for folder in folders:
            copy_sources(folder)
        one, other = (make_release(*pair, key) for pair in zip(folders, targets))
        check_same(one, other)
        check_signature(one, key, work)
        check_binary(one, [work, pathlib.Path.home(), REPOSITORY])
        check_memory(one)
        crates = embedded_crates(one, work)
        assert len(crates) > 100 and crates <= locked_crates(), crates - locked_crates()
        check_bill_of_materials(one, crates)
    print(f"release: {len(crates)} crates, two identical builds", file=sys.stderr)


if __name__ == "__main__":
    main()
