"""The calls of the API."""

import json

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError
from django.http import HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from .authentication import authenticated, issue_token
from .models import DEFAULT_TYPE, Credential


class SaveForm(forms.Form):
    user_id = forms.IntegerField(min_value=1)
    type = forms.CharField(required=False)
    value = forms.CharField(max_length=1024, strip=False)
    display_value = forms.CharField(required=False, strip=False)


def form_of(request):
    """The form of a JSON body; `None` when it is none."""
    try:
        body = json.loads(request.body)
        credential = body["Credential"]
        return SaveForm({
            "user_id": body["UserId"],
            "type": (credential.get("Type") or {}).get("Type"),
            "value": credential["Value"],
            "display_value": credential.get("DisplayValue"),
        })
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


@require_GET
@authenticated
def current_principal(request):
    user = request.user
    return JsonResponse({
        "AssociateId": user.pk, "Associate": user.username, "IsAdministrator": user.is_superuser,
    })


@require_GET
@authenticated
def current_token(request):
    return JsonResponse(issue_token(request.user), safe=False)


@csrf_exempt
@require_POST
@authenticated
def save_credential(request):
    form = form_of(request)
    if form is None or not form.is_valid():
        return JsonResponse({"detail": "invalid"}, status=400)
    save = form.cleaned_data
    if not request.user.is_superuser and request.user.pk != save["user_id"]:
        return HttpResponse(status=403)
    credential = Credential(
        user=get_user_model()(pk=save["user_id"]), type=save["type"] or DEFAULT_TYPE,
        hash=make_password(save["value"]), display_value=save["display_value"],
    )
    try:
        # One statement; update_or_create would need a transaction of three.
        Credential.objects.bulk_create(
            [credential], update_conflicts=True, unique_fields=["user_id", "type"],
            update_fields=["hash", "display_value", "updated_at"],
        )
    except IntegrityError:
        return HttpResponse(status=404)
    return JsonResponse(True, safe=False)
