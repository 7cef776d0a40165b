"""The callers of a case, and the calls without a client: what the table is checked with."""

import base64
import json
import urllib.error
import urllib.parse
import urllib.request

ADMINISTRATOR = {"name": "tje0", "password": "Tje0"}


def credentials(url: str, caller: str, values: dict) -> dict:
    """What authenticates the caller: a name with a password, a ticket, a session, or nothing."""
    if caller == "administrator":
        return ADMINISTRATOR
    if caller == "user":
        return {"name": values["name"], "password": values["password"]}
    if caller == "ticket":
        return {"ticket": values["ticket"]}
    if caller == "session":
        return sign_in(url, values)
    return {}


def sign_in(url: str, values: dict) -> dict:
    """A session of the user, as a page has it."""
    body = json.dumps({"UserName": values["name"], "Password": values["password"]}).encode()
    request = urllib.request.Request(f"{url}/login", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        cookies = response.headers.get_all("Set-Cookie")
        session = next(cookie for cookie in cookies if cookie.startswith("ASP.NET_SessionId="))
        xsrf = json.load(response)["XsrfToken"]
    return {"session": session.split(";")[0].partition("=")[2], "xsrf": xsrf}


def headers(caller: dict) -> dict:
    """The headers that authenticate the caller."""
    if "name" in caller:
        pair = f"{caller['name']}:{caller['password']}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    if "ticket" in caller:
        return {"Authorization": f"SOTicket {caller['ticket']}"}
    if "session" in caller:
        return {"Cookie": f"ASP.NET_SessionId={caller['session']}", "X-XSRF-TOKEN": caller["xsrf"]}
    return {}


def call(url: str, request: dict) -> dict:
    """The answer to a request without any client."""
    path = request["path"]
    for name, value in request["pathArguments"].items():
        path = path.replace(f"{{{name}}}", urllib.parse.quote(str(value), safe=""))
    query = urllib.parse.urlencode(request["query"])
    sent = {**headers(request["caller"]), "Accept": request["answerType"] or "*/*"}
    body = None
    if request["requestType"] is not None:
        is_json = request["requestType"].endswith("json")
        body = (json.dumps(request["body"]) if is_json else request["body"]).encode()
        sent["Content-Type"] = request["requestType"]
    method = request["method"].upper()
    prepared = urllib.request.Request(f"{url}{path}?{query}", body, sent, method=method)
    try:
        with urllib.request.urlopen(prepared, timeout=60) as response:
            return {"status": response.status, "value": value_of(response)}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "error": value_of(error)}


def value_of(response) -> object:
    """The JSON of a response, or its text, as of a page."""
    content = response.read().decode()
    is_json = "json" in response.headers.get("Content-Type", "")
    return json.loads(content) if is_json else content or None
