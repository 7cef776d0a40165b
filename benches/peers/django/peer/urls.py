"""The routes."""

from django.urls import path

from . import views

urlpatterns = [
    path("api/v1/User/currentPrincipal", views.current_principal),
    path("api/v1/User/currentToken", views.current_token),
    path("api/v1/Agents/User/SaveCredential", views.save_credential),
]
