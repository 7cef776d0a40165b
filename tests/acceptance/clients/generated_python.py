#!/usr/bin/env python3
"""Calls operations through the client that openapi-python-client generated:
generated_python.py URL FOLDER, where FOLDER has the package `keeper_client`."""

import base64
import importlib
import inspect
import json
import pkgutil
import re
import sys
import typing
from importlib.metadata import version

from lines import serve


def plain(name: str) -> str:
    """The letters and digits of a name. The generator changes the case and the punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def functions(package) -> dict:
    """The function of each operation, by the plain name of the operation."""
    found = {}
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.ispkg:
            loaded = importlib.import_module(module.name)
            found[plain(module.name.rpartition(".")[2])] = loaded.sync_detailed
    return found


def client(keeper, url: str, caller: dict):
    settings = {"base_url": url, "raise_on_unexpected_status": True, "timeout": 60}
    if "session" in caller:
        cookies = {"ASP.NET_SessionId": caller["session"]}
        return keeper.Client(**settings, cookies=cookies, headers={"X-XSRF-TOKEN": caller["xsrf"]})
    if not caller:
        return keeper.Client(**settings)
    if "ticket" in caller:
        return keeper.AuthenticatedClient(**settings, token=caller["ticket"], prefix="SOTicket")
    pair = f"{caller['name']}:{caller['password']}".encode()
    return keeper.AuthenticatedClient(
        **settings, token=base64.b64encode(pair).decode(), prefix="Basic"
    )


def typed(annotation, body):
    """The body as the first of the generated types that a function takes."""
    types = [
        option
        for option in typing.get_args(annotation) or (annotation,)
        if hasattr(option, "from_dict")
    ]
    return types[0].from_dict(body) if types and isinstance(body, dict) else body


def untyped(value):
    if isinstance(value, list):
        return [untyped(item) for item in value]
    return value.to_dict() if hasattr(value, "to_dict") else value


def answer(keeper, known: dict, url: str, request: dict) -> dict:
    function = known.get(plain(request["operation"]))
    if function is None:
        return {"lacks": "The generator skips bodies that are neither JSON nor a form."}
    arguments = {
        plain(name): value
        for name, value in {**request["pathArguments"], **request["query"]}.items()
    }
    signature = inspect.signature(function)
    inputs = {
        name: arguments[plain(name)] for name in signature.parameters if plain(name) in arguments
    }
    assert len(inputs) == len(arguments), (
        f"{request['operation']} takes {list(signature.parameters)}"
    )
    if "body" in signature.parameters:
        inputs["body"] = typed(signature.parameters["body"].annotation, request["body"])
    response = function(client=client(keeper, url, request["caller"]), **inputs)
    value = untyped(response.parsed)
    if value is None and response.content and "json" in response.headers["content-type"]:
        assert json.loads(response.content) is None, "the generated client dropped the body"
    if response.status_code >= 400:
        return {"status": int(response.status_code), "error": value}
    return {"status": int(response.status_code), "value": value}


def main(url: str, folder: str) -> None:
    sys.path.insert(0, folder)
    import keeper_client as keeper
    import keeper_client.api as api

    known = functions(api)

    def answered(request: dict) -> dict:
        try:
            return answer(keeper, known, url, request)
        except Exception as error:  # noqa: BLE001
            return {"failed": f"{type(error).__name__}: {error}"}

    serve({"version": version("openapi-python-client")}, answered)


if __name__ == "__main__":
    main(*sys.argv[1:])
