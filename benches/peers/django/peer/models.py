"""The credentials of Django's users."""

from django.conf import settings
from django.db import models

DEFAULT_TYPE = "CRM5/PASSWORD"


class Credential(models.Model):
    pk = models.CompositePrimaryKey("user_id", "type")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    type = models.TextField()
    hash = models.TextField()
    display_value = models.TextField()
    updated_at = models.DateTimeField(auto_now=True)
