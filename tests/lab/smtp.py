"""A mail server for tests: aiosmtpd with STARTTLS and a login required. Keeps every letter as a file in a folder.

usage: smtp.py PORT FOLDER CERTIFICATE KEY USER PASSWORD [SECONDS before DATA is answered]
Letters to nobody@ are refused with 550, letters to later@ once with 451.
"""
import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

port, folder, certificate, key, user, password = sys.argv[1:7]
slow = float(sys.argv[7]) if len(sys.argv) > 7 else 0.0


class Keeper:
    def __init__(self):
        self.count = 0
        self.later = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 There is nobody of that name"
        if address.startswith("later@") and address not in self.later:
            self.later.add(address)
            return "451 4.7.1 Greylisted, try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if slow:
            await asyncio.sleep(slow)
        self.count += 1
        letter = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "user": session.auth_data.login.decode() if session.auth_data else None,
            "content": envelope.content.decode("utf-8", "replace"),
        }
        name = os.path.join(folder, f"{self.count:04}.json")
        with open(name + ".new", "w") as file:
            json.dump(letter, file)
        os.rename(name + ".new", name)
        return f"250 2.0.0 kept as {self.count}"


def authenticate(server, session, envelope, mechanism, data):
    right = isinstance(data, LoginPassword) and data.login.decode() == user and data.password.decode() == password
    return AuthResult(success=right, handled=False, auth_data=data if right else None)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)
controller = Controller(
    Keeper(),
    hostname="127.0.0.1",
    port=int(port),
    tls_context=context,
    require_starttls=True,
    auth_required=True,
    authenticator=authenticate,
)
controller.start()
print("ready", flush=True)
# Whoever started us holds our standard input; when it closes, they are gone.
sys.stdin.read()
controller.stop()
