"""The application, for ``INSTALLED_APPS``."""

from django.apps import AppConfig
from django.core.checks import Tags, register

from keywright.django.checks import check_deployment, check_settings

__all__ = ["KeywrightConfig"]


class KeywrightConfig(AppConfig):
    """Key management for a Django project. It has no models: Keywright keeps its own database."""

    name = "keywright.django"
    label = "keywright"

    def ready(self) -> None:
        """Registers the system checks."""
        register(check_settings, Tags.security)
        register(check_deployment, Tags.security, deploy=True)
