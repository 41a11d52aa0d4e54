"""The gateway's own OpenAPI document, made on the first request for it."""

from puna.gateway.openapi.document import make_document

__all__ = ["make_document"]
