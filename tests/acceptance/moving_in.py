#!/usr/bin/env python3
"""Makes real exports with OpenLDAP and Django, and imports them.

usage: moving_in.py BINARY
"""

import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PASSWORD = "correct horse battery"

SLAPD = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "dc=example,dc=com"
directory {folder}
"""

DIRECTORY = """\
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: uid=clear,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: clear
cn: Zoë Ångström, whose name is long enough that slapcat folds it into two lines
sn: Ångström
userPassword: {password}

dn: uid=salted,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
objectClass: posixAccount
uid: salted
uidNumber: 1000
gidNumber: 1000
homeDirectory: /home/salted
cn: Salted
sn: Hash
mail: salted@example.com
jpegPhoto:: {photo}
userPassword: {salted}

dn: cn=staff,ou=people,dc=example,dc=com
objectClass: groupOfNames
cn: staff
member: uid=clear,ou=people,dc=example,dc=com
"""

DJANGO = """\
import sys
import django
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher

class FewRounds(PBKDF2PasswordHasher):
    iterations = 20000

settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    PASSWORD_HASHERS=["__main__.FewRounds"],
)
django.setup()
from django.contrib.auth.models import Group, User
from django.core.management import call_command

call_command("migrate", verbosity=0)
password = sys.argv[2]
root = User.objects.create_superuser("root", "root@example.com", password, first_name="The", last_name="Root")
root.groups.add(Group.objects.create(name="staff"))
User.objects.create_user("zoë", password=password, is_active=False)
User.objects.create_user("unusable")
call_command("dumpdata", "--indent=2", output=sys.argv[3])
"""


class Failure(Exception):
    pass


def expect(condition, text):
    if not condition:
        raise Failure(text)


class Installation:
    """A new installation on a private database."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("KEEPER")}
        command = [binary, "dev", "--database-only", "--data", folder / "database"]
        self.database = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.database.stdout.readline().split()
        expect(len(line) == 2 and line[0] == "ready", f"the database did not start: {line}")
        self.environment |= {
            "KEEPER__DATABASE__URL": line[1],
            "KEEPER__KEYRING__FILE": str(folder / "keyring.json"),
        }
        for arguments in (["keys", "generate"], ["migrate"]):
            self.run(*arguments)

    def run(self, *arguments, stdin=b"", check=True):
        finished = subprocess.run(
            [self.binary, *arguments], env=self.environment, cwd=self.folder, input=stdin, capture_output=True)
        if check and finished.returncode:
            raise Failure(f"{arguments}: {finished.stderr.decode()}")
        return finished

    def convert(self, format, path):
        return [json.loads(line) for line in self.run("convert", "--from", format, path).stdout.splitlines()]

    def import_(self, format, path):
        """The result of each entry, by its name."""
        results = self.run("import", "--from", format, path, check=False).stdout.splitlines()
        return {result["name"]: result for result in map(json.loads, results)}

    def verifies(self, name, password):
        finished = self.run("credential", "verify", "--user", name, stdin=password.encode(), check=False)
        return finished.returncode == 0

    def close(self):
        self.database.terminate()
        self.database.wait(timeout=60)


def check_directory(installation, folder):
    salted = subprocess.run(
        ["slappasswd", "-h", "{SSHA}", "-s", PASSWORD], check=True, capture_output=True, text=True).stdout.strip()
    photo = "/9j/4AAQSkZJRgABAQEASABIAAD/" + "A" * 4000
    data = folder / "directory"
    data.mkdir()
    (folder / "slapd.conf").write_text(SLAPD.format(folder=data))
    (folder / "entries").write_text(DIRECTORY.format(password=PASSWORD, salted=salted, photo=photo))
    subprocess.run(["slapadd", "-q", "-f", folder / "slapd.conf", "-l", folder / "entries"], check=True)
    export = subprocess.run(["slapcat", "-f", folder / "slapd.conf"], check=True, capture_output=True).stdout
    path = folder / "directory.ldif.gz"
    path.write_bytes(gzip.compress(export))
    lines = {line["login_name"]: line for line in installation.convert("ldif", path)}
    expect(lines.keys() == {"clear", "salted"}, f"other users: {lines.keys()}")
    name = "Zoë Ångström, whose name is long enough that slapcat folds it into two lines"
    expect(lines["clear"]["display_name"] == name, "another name")
    expect(lines["clear"]["credentials"] == [{"value": PASSWORD}], "another password")
    expect(lines["salted"]["credentials"] == [{"hash": salted}], "another hash")
    results = installation.import_("ldif", path)
    expect(results["clear"]["result"] == "added", f"{results['clear']}")
    expect(results["cn=staff,ou=people,dc=example,dc=com"]["result"] == "skipped", "the group is a user")
    expect(installation.verifies("clear", PASSWORD), "the password of the directory is refused")
    expect(not installation.verifies("clear", PASSWORD + "x"), "a wrong password is accepted")
    is_taken = results["salted"]["result"] == "added"
    expect(not is_taken or installation.verifies("salted", PASSWORD), "the salted hash is refused")
    print(f"OpenLDAP: {len(export)} bytes of slapcat, 2 users; {{SSHA}}: {results['salted']['result']}")


def check_django(installation, folder):
    program, dump = folder / "project.py", folder / "dump.json"
    program.write_text(DJANGO)
    subprocess.run([sys.executable, program, folder / "project.db", PASSWORD, dump], check=True)
    results = installation.import_("django", dump)
    found = {name: result["result"] for name, result in results.items()}
    expect(found == {"root": "added", "zoë": "added", "unusable": "added"}, f"other results: {results}")
    expect(installation.verifies("root", PASSWORD), "the password of Django is refused")
    expect(not installation.verifies("root", PASSWORD + "x"), "a wrong password is accepted")
    exported = map(json.loads, installation.run("export").stdout.splitlines())
    exported = {user["login_name"]: user for user in exported}
    expect(not exported["root"]["administrator"], "the superuser of Django is an administrator")
    expect(exported["zoë"]["retired"] and not exported["root"]["retired"], "other users are retired")
    whole = dump.read_bytes()
    dump.write_bytes(whole[:len(whole) // 2])
    cut = installation.run("import", "--from", "django", dump, check=False)
    expect(cut.returncode == 1 and b"it was cut" in cut.stderr and not cut.stdout, f"{cut}")
    print(f"Django: {len(whole)} bytes of dumpdata, 3 users")


def main(arguments):
    if len(arguments) != 1:
        print(__doc__.strip().splitlines()[-1], file=sys.stderr)
        return 2
    folder = pathlib.Path(tempfile.mkdtemp(prefix="moving-in-"))
    # PostgreSQL runs as an account of its own when root runs this.
    folder.chmod(0o755)
    installation = None
    try:
        installation = Installation(pathlib.Path(arguments[0]).resolve(), folder)
        check_directory(installation, folder)
        check_django(installation, folder)
    except Failure as failure:
        print(f"moving_in: {failure}", file=sys.stderr)
        return 1
    finally:
        if installation:
            installation.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
