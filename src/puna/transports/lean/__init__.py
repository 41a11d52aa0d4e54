"""The gateway's own HTTP/1.1 client. Callbacks run from socket to sink; no request needs a task.

It does not speak to proxies: the standard transport does.
"""

from puna.transports.lean.exchange import Exchange, ReplySink
from puna.transports.lean.pool import PoolLimits
from puna.transports.lean.transport import LeanTransport, PreparedRequest
from puna.transports.lean.whole import WholeReply

__all__ = [
    "Exchange",
    "LeanTransport",
    "PoolLimits",
    "PreparedRequest",
    "ReplySink",
    "WholeReply",
]
