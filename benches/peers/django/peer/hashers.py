"""Django's argon2id with the parameters of the service."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Hasher(Argon2PasswordHasher):
    # Django's tag has 32 bytes.
    memory_cost = 19456
    time_cost = 2
    parallelism = 1
