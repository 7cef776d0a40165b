"""Schemathesis hooks for the rules of this API that its OpenAPI document cannot express."""

import re
import unicodedata
from xml.etree.ElementTree import Element, SubElement, tostring

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData, ServerError
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
    "ExternalUserInfoModification",
    "Name",
    "Role.Value",
    "Tooltip",
    "Type",
    "UserName",
}
SECRETS = {"NewPassword", "OldPassword", "Password"}
IDS = {"associateid", "contactid", "ejuserid", "personid", "roleid", "userid"}
CONDITIONS = {"If-Modified-Since", "If-Unmodified-Since"}
BOOLEANS = {"deleted", "isactive", "retired"}
FORM = "application/x-www-form-urlencoded"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.media_type == FORM and isinstance(case.body, dict):
        case.body = as_form(case.body)
    # The run authenticates as the administrator, so requests must not change that user.
    case.body = without_administrator_in(case.body)
    case.query = without_administrator_in(case.query)


def without_administrator_in(members):
    if not isinstance(members, dict):
        return members
    for name, value in members.items():
        if name.lower() in ("userid", "associateid"):
            members[name] = without_administrator(value)
        else:
            without_administrator_in(value)
    return members


def without_administrator(value):
    """The value with the administrator's id, in any spelling, replaced by the plain user's."""
    if isinstance(value, list):
        return [without_administrator(item) for item in value]
    try:
        is_administrator = float(str(value)) == ADMINISTRATOR
    except ValueError:
        return value
    return PLAIN_USER if is_administrator else value


def as_form(members):
    """The members that a form can express: no null, and no brackets or dots in names."""
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
    """Serializes null as nil; Schemathesis's own serializer writes the text `null`."""
    body = context.case.operation.get_body_for_media_type(context.case.media_type)
    root = Element(body.resource_name or "Request")
    write_element(root, value)
    return tostring(root)


def write_element(element, value):
    if value is None:
        element.set(NIL, "true")
    elif isinstance(value, dict):
        for name, member in value.items():
            write_element(SubElement(element, xml_name(name)), member)
    elif isinstance(value, list):
        for item in value:
            write_element(SubElement(element, "Item"), item)
    elif isinstance(value, bool):
        element.text = str(value).lower()
    else:
        element.text = xml_text(str(value))


def xml_name(name):
    """A unique element name for every member; invalid XML names are escaped, as .NET does."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name):
        return name
    return "_x" + name.encode().hex() + "_"


def xml_text(text):
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Ignores failures caused by rules that JSON Schema cannot express."""
    if isinstance(failure, ServerError) and case.operation.path.endswith(".svc"):
        # In SOAP 1.1 every fault has status 500, also one that the client caused.
        return b"<faultcode>s:Client</faultcode>" not in response.content
    if isinstance(failure, AcceptedNegativeData):
        if not isinstance(case.body, (dict, list, str)):
            # Null counts as no body, which the document allows.
            return False
        if case.operation.path.endswith("/ValidateUser"):
            # This call answers invalid input with a list of its problems.
            return False
        if case.media_type not in XML:
            # Scalars are coerced as the vendor's JSON reader does, which the document omits.
            return not has_coerced(case.body)
        # In XML a list is an element with or without children, so it is valid as an object; and every
        # scalar is a text: a boolean also 0 or 1.
        return not (has_list(case.body) or has_empty(case.body) or has_coerced(case.body))
    if isinstance(failure, RejectedPositiveData):
        is_json = "json" in response.headers["content-type"][0]
        error = response.json() if is_json else {}
        field = error.get("Field") or ""
        if error.get("Code") == "malformed_body" and case.body == {}:
            # A form without members, and an element without content, are no body.
            return case.media_type not in (*XML, FORM)
        if is_rejected_by_resource(error, field, case):
            return False
        if error.get("Code") == "invalid_field" and needs_external_user(case, field):
            return False
        if error.get("Code") == "invalid_field" and is_rejected_by_call(field, case):
            return False
        if error.get("Code") == "invalid_field" and re.match(r"(User\.)?Credentials\[", field):
            # The same rules as for the single Credential of SaveCredential.
            return False
        return not is_expected_rejection(error.get("Code"), error.get("Field"), case.body)
    return True


def needs_external_user(case, field):
    """Whether the call refuses this member because of the flags, or of the type of the user."""
    if case.operation.path.endswith("/SetExternalUserInfo"):
        return True
    return case.operation.path.endswith("/DeleteExternalUser") and field == "AssociateId"


def is_rejected_by_call(field, case):
    """Whether the call requires this member because of another one, or of what is stored."""
    call = case.operation.path.rsplit("/", 1)[-1]
    if (call, field) == ("ChangeUserType", "User.AssociateId"):
        # For other calls 0 is a new user.
        return not value_at(case.body, field)
    if (call, field) == ("CreateDefaultUserFromUserTypeAndPersonId", "PersonId"):
        # Only system and anonymous users need no person.
        return not value_at(case.body, field)
    if (call, field) == ("SaveUserFromName", "User.AssociateId"):
        # The id is that of the user with the name, or none.
        return True
    if (call, field) == ("ResolveUserFromInfo", "Credential.DisplayValue"):
        # It is the login name of a new user; only an identifier needs none.
        return True
    if call.startswith("SaveUntrustedCredentials"):
        # Only a credential that is stored keeps its secret. Dates may be empty or without an offset,
        # so the document does not call them date-time.
        is_missing = field == "Credentials.SecretValue" and not value_at(case.body, field)
        return is_missing or field in ("Credentials.ValidFrom", "Credentials.ValidTo")
    return False


def is_rejected_by_resource(error, field, case):
    """Whether the request breaks a rule of /api/v1/User that its document cannot express."""
    if error.get("Code") != "invalid_field" or not case.operation.path.startswith("/api/v1/User"):
        return False
    # The grammar of a list; dates of HTTP; and an id in the body, which is that of the path or none.
    return field.startswith("$") or field in CONDITIONS or field == "AssociateId"


def has_coerced(value):
    """Whether the value has a scalar that is converted to its documented type."""
    if isinstance(value, list):
        return any(has_coerced(item) or is_quoted_integer(item) for item in value)
    if not isinstance(value, dict):
        return False
    return any(has_coerced(member) or is_coerced(name, member) for name, member in value.items())


def is_coerced(name, value):
    if name.lower() in IDS:
        return is_quoted_integer(value)
    if name.lower() in BOOLEANS:
        is_quoted = isinstance(value, str) and value.strip().lower() in ("true", "false")
        return is_quoted or isinstance(value, int)
    return isinstance(value, int)


def is_quoted_integer(value):
    return isinstance(value, str) and re.fullmatch(r"[\t-\r ]*[+-]?[0-9]+[\t-\r ]*", value)


def has_list(value):
    if isinstance(value, dict):
        return any(map(has_list, value.values()))
    return isinstance(value, list)


def has_empty(value):
    """Whether an element has no content; it can be an empty list or an empty object."""
    if isinstance(value, dict):
        return not value or any(map(has_empty, value.values()))
    return value == ""


def is_expected_rejection(code, field, body):
    """Whether the body breaks a rule that JSON Schema cannot express."""
    credential = member(body, "Credential")
    if (code, field) == ("invalid_field", "Credential.Type.Type"):
        # The settings of the installation define the types.
        name = member(member(credential, "Type"), "Type")
        return isinstance(name, str) and name.strip().lower() not in KNOWN_TYPES
    if (code, field) == ("invalid_field", "Credential.Value"):
        # The limit counts bytes; maxLength counts characters.
        return len(str(member(credential, "Value")).encode()) > MAXIMUM_VALUE_BYTES
    value = value_at(body, field or "")
    if code == "invalid_field" and isinstance(value, float):
        # JSON Schema accepts 278.0 as an integer; this API rejects a decimal point or an exponent.
        return True
    if code == "invalid_field" and isinstance(value, str) and has_unprintable(value):
        # Names and public values have no control characters, and nothing that XML cannot represent.
        return True
    if code == "invalid_field" and (field or "").removeprefix("User.") in CONFIGURED:
        # JSON Schema cannot express which values exist, or which names are valid.
        return True
    if code == "invalid_field" and field in SECRETS:
        # A secret must not contain NUL, and its limit counts bytes.
        secret = str(member(body, field))
        return "\0" in secret or len(secret.encode()) > MAXIMUM_VALUE_BYTES
    if code == "duplicate_member":
        # Names are case-insensitive, so two unknown names can be duplicates.
        return has_repeated_names(body)
    return False


def value_at(body, field):
    """The value of a field as an error names it, such as `User.AssociateId` or `[2]`."""
    for step in re.findall(r"\[(\d+)\]|([^.\[\]]+)", field):
        index, name = step
        if index:
            body = body[int(index)] if isinstance(body, list) and int(index) < len(body) else None
        else:
            body = member(body, name)
    return body


def has_unprintable(text):
    return xml_text(text) != text or any(unicodedata.category(each) == "Cc" for each in text)


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
def common_rules(ctx, response, case):
    """Rules for every response beyond its schema.

    docs/reference/wire-contract.md#d1-error-object, docs/reference/wire-contract.md#d3-challenges,
    docs/reference/wire-contract.md#d28-statuses-and-codes
    """
    headers = {name: values[0] for name, values in response.headers.items()}
    # Caches may store responses that are the same for every caller, and revalidate them by ETag.
    is_cacheable = case.operation.method.upper() == "GET" and "etag" in headers
    caching = "no-cache" if is_cacheable else "no-store"
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
