"""The application that a server imports: the one of apps.py that ``APP`` names."""

import os

import apps

app = getattr(apps, os.environ["APP"])()
