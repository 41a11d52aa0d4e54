"""Clients: keywords become one frozen call, a call becomes an answer."""

from __future__ import annotations

from puna.client.asynchronous import AsyncClient
from puna.client.settings import ClientSettings
from puna.client.synchronous import Client

__all__ = ["AsyncClient", "Client", "ClientSettings"]
