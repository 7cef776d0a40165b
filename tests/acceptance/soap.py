#!/usr/bin/env python3
"""Logs in with a SOAP client that zeep generates from the served WSDL, then uses the tickets.

    tests/acceptance/soap.py URL

URL is that of a running demo, with its base path.
"""

import re
import sys
from pathlib import Path

import requests
import zeep
from zeep.exceptions import Fault

NAMESPACE = "http://www.superoffice.net/ws/crm/NetServer/Services88"
OPERATIONS = {"AuthenticateUsernamePassword", "AuthenticateWithAccessToken", "GetSystemInfo"}
PRINCIPAL = "/api/v1/User/currentPrincipal"


def client_of(wsdl: str) -> zeep.Client:
    """A client with exactly the operations that the service answers."""
    client = zeep.Client(wsdl)
    (service,) = client.wsdl.services.values()
    (port,) = service.ports.values()
    operations = set(port.binding.all())
    assert operations == OPERATIONS, f"the WSDL describes {operations}"
    return client


def ticket_of(response) -> str:
    assert response.header.Succeeded is True, response
    assert response.body.AuthenticationSucceeded is True, response
    return response.body.Credentials.Ticket


def send(url: str, ticket: str, method: str, path: str, **arguments):
    headers = {"Authorization": f"SOTicket {ticket}"}
    response = requests.request(method, url + path, headers=headers, timeout=60, **arguments)
    assert response.status_code == 200, f"{method} {path}: {response.status_code} {response.text}"
    return response.json()


def check_ticket(url: str, ticket: str) -> None:
    """Uses a ticket for REST and for the agent."""
    principal = send(url, ticket, "GET", PRINCIPAL)
    assert (principal["AssociateId"], principal["UserName"]) == (1, "tje0"), principal
    types = send(url, ticket, "POST", "/api/v1/Agents/User/GetCredentialTypes", json=None)
    assert "CRM5/PASSWORD" in [item["Type"] for item in types], types
    body = {"UserId": 278, "Credential": {"Type": {"Type": "CRM5/PASSWORD"}, "Value": "demo"}}
    assert send(url, ticket, "POST", "/api/v1/Agents/User/SaveCredential", json=body) is True


def check_password(url: str, service) -> None:
    token = {"ApplicationToken": "1234567-1234-9876"}
    response = service.AuthenticateUsernamePassword(
        UserName="tje0", Password="Tje0", _soapheaders=token
    )
    carrier = response.body.Response
    assert (carrier.UserType, carrier.Associate) == ("InternalAssociate", "tje0"), carrier
    assert carrier.FunctionRights.string == ["user-administrator"], carrier
    ticket = ticket_of(response)
    assert ticket.startswith("7T:"), ticket
    check_ticket(url, ticket)


def check_refusals(service) -> None:
    for name in ("tje0", "nobody"):
        response = service.AuthenticateUsernamePassword(UserName=name, Password="wrong")
        assert response.body.AuthenticationSucceeded is False, response
        # zeep makes an empty object of nil.
        assert response.body.Response.AssociateId is None, response
        assert response.body.Credentials.Ticket is None, response
    try:
        service.AuthenticateUsernamePassword(UserName="tje0")
    except Fault as fault:
        assert fault.message == "Password: is required", fault.message
        assert fault.code == "s:Client", fault.code
        parameters = [item.text for item in fault.detail.iter(f"{{{NAMESPACE}}}Value")]
        assert parameters[:2] == ["invalid_field", "Password"], parameters
        return
    raise AssertionError("a login without password is not a fault")


def check_token(url: str, service) -> None:
    basic = ("tje0", "Tje0")
    token = requests.get(f"{url}/api/v1/User/currentToken", auth=basic, timeout=60).json()
    obtained = ticket_of(service.AuthenticateWithAccessToken(AccessToken=token))
    assert obtained.startswith("8A:"), obtained
    check_ticket(url, obtained)
    response = service.AuthenticateWithAccessToken(AccessToken="8A:nonsense")
    assert response.body.AuthenticationSucceeded is False, response


def check_guide(url: str) -> None:
    """Runs the Python lines of the how-to guide as printed."""
    guide = Path(__file__).resolve().parents[2] / "docs/how-to/call-the-api.md"
    blocks = re.findall(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1, f"{len(blocks)} blocks of Python"
    names = {"zeep": zeep}
    exec(blocks[0].replace("http://127.0.0.1:8080", url), names)
    check_ticket(url, names["ticket"])


def main(url: str) -> None:
    address = f"{url}/Remote/Services88/SoPrincipal.svc"
    service = client_of(f"{address}?wsdl").service
    client_of(f"{address}?singleWsdl")
    info = service.GetSystemInfo().body.SystemInfo
    assert (info.Description, info.BuildType) == ("Credential Keeper", "Release"), info
    check_password(url, service)
    check_refusals(service)
    check_token(url, service)
    check_guide(url)
    print("soap: a client generated from the WSDL logs in, and its tickets work")


if __name__ == "__main__":
    main(*sys.argv[1:])
