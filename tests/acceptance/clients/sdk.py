#!/usr/bin/env python3
"""Calls operations through the vendor's Python SDK: sdk.py URL"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import superofficesdk.rest as sdk
from lines import serve

sys.path.append(str(Path(__file__).parent.parent))
from python_sdk import CUSTOMER, ToService, soap_login  # noqa: E402

API = "/api/v1/"


class Lacking(Exception):
    """The SDK has no function for a call."""


def client(url: str, caller: dict) -> sdk.SuperOffice:
    """The SDK with a ticket of the caller."""
    if not caller:
        raise Lacking("The Python SDK calls nothing without a login.")
    if "session" in caller:
        raise Lacking("The Python SDK has no sessions.")
    if "ticket" in caller:
        sdk.SuperOfficeLogin = lambda *_: caller["ticket"]
        arguments = {"username": "", "password": ""}
    else:
        sdk.SuperOfficeLogin = soap_login(url, caller["name"], caller["password"])
        arguments = {"username": caller["name"], "password": caller["password"]}
    api = sdk.SuperOffice(CUSTOMER, app_token="f2398a3a", **arguments)
    api.session.mount("https://", ToService(url))
    return api


def send(url: str, request: dict):
    """The result of the function of the SDK for the request."""
    path = request["path"]
    if not path.startswith(API):
        raise Lacking("The Python SDK has only the calls below /api/v1.")
    for name, value in request["pathArguments"].items():
        path = path.replace(f"{{{name}}}", str(value))
    entity, _, id = path.removeprefix(API).rpartition("/")
    method, body, query = request["method"], request["body"], request["query"]
    if method == "post" and query:
        raise Lacking("The Python SDK sends no query with a POST.")
    api = client(url, request["caller"])
    if method == "post":
        return getattr(api, path.removeprefix(API)).create(body)
    if method == "get" and not entity:
        options = {name.removeprefix("$"): value for name, value in query.items()}
        return api.query(id, "Id,Name,Retired", **options)
    resource = getattr(api, entity)
    if method == "get":
        return resource.get(id)
    if method == "put":
        return resource.update(id, body, raw_response=True).json()
    return resource.delete(id)


def answer(url: str, request: dict) -> dict:
    try:
        value = send(url, request)
    except Lacking as lacking:
        return {"lacks": str(lacking)}
    except json.JSONDecodeError as error:
        return {"failed": f"{type(error).__name__}: {error}"}
    if isinstance(value, dict) and value.get("Error") is True:
        # The SDK does not tell the status.
        return {"error": value}
    if request["method"] == "delete":
        return {"status": value, "value": None}
    return {"value": value}


if __name__ == "__main__":
    address = sys.argv[1]
    introduction = {"version": version("superoffice-python-sdk")}
    serve(introduction, lambda request: answer(address, request))
