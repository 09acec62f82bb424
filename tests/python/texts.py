"""Texts that are almost the key that was issued."""

from __future__ import annotations


def mistyped(api_key: str) -> str:
    """The key with another last character. One fixed character is the key itself once in 62 keys."""
    return api_key[:-1] + ("x" if api_key[-1] != "x" else "y")
