#!/usr/bin/env python3
"""Logs in over SOAP as the vendor's Python SDK does, then calls the API through the SDK.

    tests/acceptance/python_sdk.py URL

URL is that of a running demo, with its base path. The SDK knows only the vendor's cloud: its login is
a SOAP service there, and its URLs begin with that host. So the login asks SoPrincipal.svc instead, with
the SDK's own SOAP library (suds), and an adapter of the SDK's session sends its requests to URL.
Everything else is the SDK as it is.
"""

import sys

import superofficesdk.rest as sdk
from requests.adapters import HTTPAdapter
from suds.client import Client

CUSTOMER = "Cust12345"
CLOUD = f"https://online.superoffice.com/{CUSTOMER}"


class ToService(HTTPAdapter):
    """Sends requests for the vendor's cloud to the service."""

    def __init__(self, url: str):
        super().__init__()
        self.url = url

    def send(self, request, **arguments):
        assert request.url.startswith(CLOUD), request.url
        request.url = self.url + request.url.removeprefix(CLOUD)
        return super().send(request, **arguments)


def soap_login(url: str, name: str, password: str):
    """A login with the signature of the SDK's own one."""

    def login(customer, app_token, system_token, private_key, environment="online"):
        assert (customer, environment) == (CUSTOMER, "online"), (customer, environment)
        client = Client(f"{url}/Remote/Services88/SoPrincipal.svc?wsdl", cache=None)
        client.set_options(soapheaders={"ApplicationToken": app_token})
        answer = client.service.AuthenticateUsernamePassword(name, password)
        assert answer.AuthenticationSucceeded, answer
        return answer.Credentials.Ticket

    return login


def main(url: str) -> None:
    sdk.SuperOfficeLogin = soap_login(url, "tje0", "Tje0")
    api = sdk.SuperOffice(CUSTOMER, app_token="f2398a3a", username="tje0", password="Tje0")
    assert api.ticket.startswith("7T:"), api.ticket
    api.session.mount("https://", ToService(url))
    principal = api.User.get("currentPrincipal")
    assert (principal["AssociateId"], principal["UserName"]) == (1, "tje0"), principal
    assert api.User.get("278")["Name"] == "demo"
    save = getattr(api, "Agents/User/SaveCredential")
    body = {
        "UserId": 278,
        "Credential": {"Type": {"Type": "CRM5/PASSWORD"}, "Value": "demo", "DisplayValue": ""},
    }
    assert save.create(body) is True
    print("python_sdk: the vendor's SDK works with a ticket from SOAP")


if __name__ == "__main__":
    main(*sys.argv[1:])
