"""The gateway's own HTTP/1.1 client: callbacks from socket to sink, no task for a request.

Proxies are the standard transport's business.
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
