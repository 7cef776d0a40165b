"""Creates the users of a measurement, after `migrate`."""

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand

from peer.models import DEFAULT_TYPE, Credential


class Command(BaseCommand):
    help = "Create the users of a measurement"

    def add_arguments(self, parser):
        parser.add_argument("callers", type=int)
        parser.add_argument("targets", type=int)
        parser.add_argument("password")

    def handle(self, callers, targets, password, **options):
        User = get_user_model()
        admins = [User(pk=1000 + n, username=f"caller{n}", is_superuser=True) for n in range(callers)]
        plain = (User(pk=100_000 + n, username=f"target{n}") for n in range(targets))
        User.objects.bulk_create([*admins, *plain], batch_size=5000)
        encoded = make_password(password)
        Credential.objects.bulk_create(
            Credential(user=user, type=DEFAULT_TYPE, hash=encoded, display_value="") for user in admins
        )
