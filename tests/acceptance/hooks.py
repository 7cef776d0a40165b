"""What Schemathesis has to know about this API besides its document."""

import re
from xml.etree.ElementTree import Element, SubElement, tostring

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

ADMINISTRATOR = 1
PLAIN_USER = 278
KNOWN_TYPES = {"crm5/password", "activedirectory"}
MAXIMUM_VALUE_BYTES = 1024
XML = ("application/xml", "text/xml")
CARRIERS = {"Credential", "Type"}
CONFIGURED = {
    "AppToken",
    "AssociateName",
    "CredentialType",
    "Credentials",
    "Name",
    "Role.Value",
    "Tooltip",
    "Type",
    "UserName",
}
SECRETS = {"NewPassword", "OldPassword", "Password"}
IDS = {"associateid", "userid"}
BOOLEANS = {"deleted", "retired"}
FORM = "application/x-www-form-urlencoded"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.media_type == FORM and isinstance(case.body, dict):
        case.body = as_form(case.body)
    # The run logs in as the administrator, so they and their password have to stay.
    case.body = spared_in(case.body)
    case.query = spared_in(case.query)


def spared_in(members):
    if not isinstance(members, dict):
        return members
    for name, value in members.items():
        if name.lower() in ("userid", "associateid"):
            members[name] = spared(value)
        else:
            spared_in(value)
    return members


def spared(value):
    """The value without the administrator's id, in any of the ways to write it."""
    if isinstance(value, list):
        return [spared(item) for item in value]
    try:
        is_administrator = float(str(value)) == ADMINISTRATOR
    except ValueError:
        return value
    return PLAIN_USER if is_administrator else value


def as_form(members):
    """What a form can say: there is no null, and brackets and dots in names mean nesting."""
    form = {}
    for name, value in members.items():
        if name in CARRIERS and isinstance(value, dict):
            form[name] = as_form(value)
        elif value is not None:
            plain_name = re.sub(r"\W", "_", name) or "_"
            form[plain_name] = str(value) if isinstance(value, (dict, list)) else value
    return form


@schemathesis.serializer(*XML)
def xml(context, value):
    """With nil for null, for which Schemathesis's own XML has the text `null`."""
    body = context.case.operation.get_body_for_media_type(context.case.media_type)
    root = Element(body.resource_name or "Request")
    write(root, value)
    return tostring(root)


def write(element, value):
    if value is None:
        element.set(NIL, "true")
    elif isinstance(value, dict):
        for name, member in value.items():
            write(SubElement(element, xml_name(name)), member)
    elif isinstance(value, list):
        for item in value:
            write(SubElement(element, "Item"), item)
    elif isinstance(value, bool):
        element.text = str(value).lower()
    else:
        element.text = xml_text(str(value))


def xml_name(name):
    """A name of its own for every member, as .NET escapes what XML has no place for."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name):
        return name
    return "_x" + name.encode().hex() + "_"


def xml_text(text):
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """What JSON Schema has no words for, each with the request that earns it."""
    if isinstance(failure, AcceptedNegativeData):
        if not isinstance(case.body, (dict, list, str)):
            # Null is as good as no body, which the document allows.
            return False
        if case.operation.path.endswith("/ValidateUser"):
            # What is wrong is this call's answer.
            return False
        if case.media_type not in XML:
            # Scalars are read as the vendor's JSON reader does, which the document does not mention.
            return not has_coerced(case.body)
        # In XML a list is an element with children, or without: the same as an object.
        return not (has_list(case.body) or has_empty(case.body))
    if isinstance(failure, RejectedPositiveData):
        is_json = "json" in response.headers["content-type"][0]
        error = response.json() if is_json else {}
        field = error.get("Field") or ""
        if error.get("Code") == "invalid_field" and field.startswith("Credentials["):
            # As of the one Credential of SaveCredential.
            return False
        return not is_earned(error.get("Code"), error.get("Field"), case.body)
    return True


def has_coerced(value):
    """A scalar of another type than the document says, from which it is converted."""
    if isinstance(value, list):
        return any(has_coerced(item) or is_whole(item) for item in value)
    if not isinstance(value, dict):
        return False
    return any(has_coerced(member) or is_coerced(name, member) for name, member in value.items())


def is_coerced(name, value):
    if name.lower() in IDS:
        return is_whole(value)
    if name.lower() in BOOLEANS:
        is_quoted = isinstance(value, str) and value.strip().lower() in ("true", "false")
        return is_quoted or isinstance(value, int)
    return isinstance(value, int)


def is_whole(value):
    return isinstance(value, str) and re.fullmatch(r"[\t-\r ]*[+-]?[0-9]+[\t-\r ]*", value)


def has_list(value):
    if isinstance(value, dict):
        return any(map(has_list, value.values()))
    return isinstance(value, list)


def has_empty(value):
    """An element without content, which is an empty list as well as an empty object."""
    if isinstance(value, dict):
        return not value or any(map(has_empty, value.values()))
    return value == ""


def is_earned(code, field, body):
    credential = member(body, "Credential")
    if (code, field) == ("invalid_field", "Credential.Type.Type"):
        # Which types there are is the installation's configuration.
        name = member(member(credential, "Type"), "Type")
        return isinstance(name, str) and name.strip().lower() not in KNOWN_TYPES
    if (code, field) == ("invalid_field", "Credential.Value"):
        # The limit counts bytes, maxLength characters.
        return len(str(member(credential, "Value")).encode()) > MAXIMUM_VALUE_BYTES
    if (code, field) == ("invalid_field", "UserId"):
        # JSON Schema takes 278.0 for an integer, this API no number with a point or an exponent.
        return isinstance(member(body, "UserId"), float)
    if code == "invalid_field" and field in CONFIGURED:
        # What there is of these, and what a name may be, JSON Schema has no words for.
        return True
    if code == "invalid_field" and field in SECRETS:
        # A secret has no NUL, and the limit counts bytes.
        secret = str(member(body, field))
        return "\0" in secret or len(secret.encode()) > MAXIMUM_VALUE_BYTES
    if code == "invalid_field" and re.fullmatch(r"\[\d+\]", field or ""):
        return isinstance(body[int(field[1:-1])], float)
    if code == "invalid_field" and field in ("AssociateId", "User.AssociateId"):
        return any(isinstance(of, float) for of in (ids(body), ids(member(body, "User"))))
    if code == "duplicate_member":
        # Names match without regard to case, so two unknown ones can be the same.
        return has_repeated_names(body)
    return False


def ids(value):
    return member(value, "AssociateId")


def member(value, name):
    return value.get(name) if isinstance(value, dict) else None


def has_repeated_names(value):
    if isinstance(value, list):
        return any(map(has_repeated_names, value))
    if not isinstance(value, dict):
        return False
    names = {name.lower() for name in value}
    return len(names) < len(value) or any(map(has_repeated_names, value.values()))


@schemathesis.check
def house_rules(ctx, response, case):
    """What holds for every answer besides its schema (protocol.md 10.1, 10.3 and 10.28)."""
    headers = {name: values[0] for name, values in response.headers.items()}
    # A cache may keep what is the same for everybody, and asks about it by its tag each time.
    is_document = case.operation.method.upper() == "GET" and "etag" in headers
    caching = "no-cache" if is_document else "no-store"
    assert headers.get("cache-control") == caching, f"Cache-Control is not {caching}"
    assert headers.get("x-content-type-options") == "nosniff", "X-Content-Type-Options is missing"
    assert "x-request-id" in headers, "X-Request-Id is missing"
    assert response.status_code != 401 or "www-authenticate" in headers, "a 401 has no challenge"
    assert response.status_code != 503 or "retry-after" in headers, "a 503 has no Retry-After"
    if response.status_code < 400 or not headers["content-type"].startswith("application/json"):
        return
    error = response.json()
    assert error["RequestId"] == headers["x-request-id"], "RequestId is not X-Request-Id"
    documented = case.operation.responses.find_by_status_code(response.status_code)
    if documented is not None:
        codes = documented.definition["description"]
        assert f"`{error['Code']}`" in codes, f"{error['Code']} is not documented"
