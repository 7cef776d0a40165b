"""Settings for production, without the parts that this API does not use."""

import os

SECRET_KEY = os.environ["TOKEN_SECRET"]
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "peer.urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "peer"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
AUTHENTICATION_BACKENDS = ["peer.authentication.CredentialBackend"]
PASSWORD_HASHERS = ["peer.hashers.Hasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
# A connection for each thread, which stays open.
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["PGHOST"],
        "USER": os.environ["PGUSER"],
        "NAME": os.environ["PGDATABASE"],
        "CONN_MAX_AGE": None,
        "OPTIONS": {"server_side_binding": True},
    }
}
