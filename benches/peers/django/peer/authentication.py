"""Authentication with Basic and Bearer."""

import base64
import binascii
import functools
import time

import jwt
from django.conf import settings
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import check_password, make_password
from django.http import JsonResponse

from .models import DEFAULT_TYPE, Credential

TOKEN_SECONDS = 3600


class CredentialBackend(BaseBackend):
    def authenticate(self, request, username=None, password=None):
        found = Credential.objects.select_related("user").filter(
            user__username=username, type=DEFAULT_TYPE
        ).first()
        if found is None:
            # An unknown name takes as long as a wrong password.
            make_password(password)
            return None
        return found.user if check_password(password, found.hash) and found.user.is_active else None


def issue_token(user):
    claims = {
        "sub": str(user.pk), "name": user.username, "admin": user.is_superuser,
        "exp": int(time.time()) + TOKEN_SECONDS,
    }
    return jwt.encode(claims, settings.SECRET_KEY, algorithm="HS256")


def user_of(request):
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        try:
            claims = jwt.decode(
                value, settings.SECRET_KEY, algorithms=["HS256"], options={"require": ["exp", "sub"]}
            )
        except jwt.InvalidTokenError:
            return None
        # The token tells everything, so this needs no query.
        return get_user_model()(
            pk=int(claims["sub"]), username=claims["name"], is_superuser=claims["admin"]
        )
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return authenticate(request, username=name, password=password)
    return None


def authenticated(view):
    """Sets `request.user`, or refuses the request."""

    @functools.wraps(view)
    def wrapper(request):
        request.user = user_of(request)
        if request.user is None:
            headers = {"WWW-Authenticate": 'Bearer, Basic realm="peers"'}
            return JsonResponse({"detail": "Unauthorized"}, status=401, headers=headers)
        return view(request)

    return wrapper
