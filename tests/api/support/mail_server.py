"""A mail server for tests: python mail_server.py FOLDER TLS_PORT START_TLS_PORT PLAIN_PORT

Writes each mail to FOLDER/mails/NUMBER.json, and each login to FOLDER/logins. Takes the reply to the
next recipient or mail from the lines of FOLDER/replies: "rcpt 450 ..." or "data 550 ...", and
"rcpt drop" or "data drop" to close the connection instead.
"""

import asyncio
import email
import email.policy
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

FOLDER = sys.argv[1]
TLS_PORT, START_TLS_PORT, PLAIN_PORT = map(int, sys.argv[2:5])
LOGIN = LoginPassword(b"keeper@example.com", b"p:ss word")


def next_reply(command):
    """The reply that the test wants to this command, if it is next."""
    path = os.path.join(FOLDER, "replies")
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    if not lines or not lines[0].startswith(command + " "):
        return None
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines[1:]))
    return lines[0].split(" ", 1)[1]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        reply = next_reply("rcpt")
        if reply == "drop":
            server.transport.abort()
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        reply = next_reply("data")
        if reply == "drop":
            server.transport.abort()
        if reply:
            return reply
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        mail = {
            "from": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "client": session.host_name,
            "connection": session.peer[1],
            "headers": [[name, str(value)] for name, value in message.items()],
            "text": message.get_content(),
            "raw": envelope.content.decode(),
        }
        folder = os.path.join(FOLDER, "mails")
        number = len(os.listdir(folder))
        with open(os.path.join(FOLDER, "mail.new"), "w", encoding="utf-8") as file:
            json.dump(mail, file)
        os.rename(file.name, os.path.join(folder, f"{number:04}.json"))
        return "250 OK"


def authenticate(server, session, envelope, mechanism, login):
    is_right = login == LOGIN
    with open(os.path.join(FOLDER, "logins"), "a", encoding="utf-8") as file:
        file.write("accepted\n" if is_right else "refused\n")
    return AuthResult(success=is_right, handled=False)


def protocol(**options):
    return SMTP(
        Handler(),
        hostname="localhost",
        enable_SMTPUTF8=True,
        auth_required=True,
        authenticator=authenticate,
        loop=asyncio.get_event_loop(),
        **options,
    )


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(os.path.join(FOLDER, "server.crt"), os.path.join(FOLDER, "server.key"))
    loop = asyncio.get_running_loop()
    start_tls = {"tls_context": context, "require_starttls": True}
    for port, tls, options in [
        (TLS_PORT, context, {"auth_require_tls": False}),
        (START_TLS_PORT, None, start_tls),
        (PLAIN_PORT, None, {"auth_require_tls": False}),
    ]:
        create = lambda options=options: protocol(**options)
        await loop.create_server(create, "127.0.0.1", port, ssl=tls)
    await asyncio.Event().wait()


asyncio.run(main())
