from fixtures import servers, until

__all__ = ["servers", "until"]
