"""What the gateway uses of uvicorn beyond its documented interface, and why: one table.

uvicorn documents how it is configured and run, and the ASGI messages. Its protocol classes are its
own affair and may change in any release, so the dependency has an upper bound (`pyproject.toml`).
To raise it, install the new release and run the tests of this module (`tests/gateway/server`). They
check that every part is there with its signature and does what is relied on, and that this table
names exactly the parts that the gateway's modules use.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One name that the gateway reads, sets, calls or overrides.

    Attributes:
        owner: the class that has it, or the module.
        name: the name there.
        why: what the gateway relies on.
        parameters: of a method its parameters, as `inspect.signature` names them; None for data.
    """

    owner: str
    name: str
    why: str
    parameters: str | None = None


_HTTP = "uvicorn.protocols.http.httptools_impl"

PARTS: tuple[Part, ...] = (
    # --- one connection
    Part(_HTTP, "HttpToolsProtocol", "base class of `LimitedProtocol`"),
    Part(_HTTP, "STATUS_LINE", "the first line of a reply by its status, line end included"),
    Part("HttpToolsProtocol", "app", "the application: what it says of limits and the fast lane"),
    Part("HttpToolsProtocol", "loop", "its clock and timers are those of the connection"),
    Part("HttpToolsProtocol", "transport", "the connection; answers are written to it"),
    Part("HttpToolsProtocol", "flow", "whether reading and writing are paused: one FlowControl"),
    Part("HttpToolsProtocol", "parser", "read for each head; replaced after a refused upgrade"),
    Part("HttpToolsProtocol", "connections", "all connections of the server, this one included"),
    Part("HttpToolsProtocol", "server_state", "counts requests, and has the headers of replies"),
    Part("HttpToolsProtocol", "root_path", "the fast lane is closed where there is one"),
    Part("HttpToolsProtocol", "limit_concurrency", "the fast lane is closed where there is one"),
    Part("HttpToolsProtocol", "timeout_keep_alive", "seconds that an idle connection is kept"),
    Part("HttpToolsProtocol", "timeout_keep_alive_task", "the one timer; None where none runs"),
    Part("HttpToolsProtocol", "url", "the target of the request under way, as its pieces come"),
    Part("HttpToolsProtocol", "headers", "of the request under way; the list that `scope` has"),
    Part("HttpToolsProtocol", "expect_100_continue", "whether the client waits for `100`"),
    Part("HttpToolsProtocol", "scope", "of the newest ASGI request: its HTTP version"),
    Part("HttpToolsProtocol", "cycle", "the newest request; None before the first"),
    Part("HttpToolsProtocol", "pipeline", "requests that wait: newest at the left, oldest popped"),
    Part(
        "HttpToolsProtocol",
        "connection_made",
        "sets `transport` and `flow`, and joins `connections`",
        "(self, transport)",
    ),
    Part(
        "HttpToolsProtocol",
        "connection_lost",
        "marks the newest request as disconnected and wakes it; leaves `connections`",
        "(self, exc)",
    ),
    Part("HttpToolsProtocol", "data_received", "overridden, not called", "(self, data)"),
    Part(
        "HttpToolsProtocol",
        "on_message_begin",
        "makes `scope` and `headers`; here called when a head is whole, by the parser in uvicorn",
        "(self)",
    ),
    Part("HttpToolsProtocol", "on_url", "overridden: heads have a limit", "(self, url)"),
    Part("HttpToolsProtocol", "on_header", "overridden: heads have a limit", "(self, name, value)"),
    Part(
        "HttpToolsProtocol",
        "on_headers_complete",
        "makes `cycle` of `scope`, and starts its task or puts it in `pipeline` and stops reading",
        "(self)",
    ),
    Part("HttpToolsProtocol", "on_body", "adds to the body of `cycle`", "(self, body)"),
    Part("HttpToolsProtocol", "on_message_complete", "ends the body of `cycle`", "(self)"),
    Part(
        "HttpToolsProtocol",
        "on_response_complete",
        "overridden; a cycle calls it when its answer is whole",
        "(self)",
    ),
    Part("HttpToolsProtocol", "send_400_response", "overridden: errors are JSON", "(self, msg)"),
    Part("HttpToolsProtocol", "shutdown", "overridden; the server calls it at its end", "(self)"),
    Part("HttpToolsProtocol", "timeout_keep_alive_handler", "overridden; the timer's", "(self)"),
    Part("HttpToolsProtocol", "pause_writing", "pauses `flow`", "(self)"),
    Part("HttpToolsProtocol", "resume_writing", "resumes `flow`", "(self)"),
    Part(
        "HttpToolsProtocol",
        "_start_asgi_task",
        "starts the task of a request that waited in `pipeline`",
        "(self, cycle, app)",
    ),
    Part("HttpToolsProtocol", "_unset_keepalive_if_required", "cancels the timer", "(self)"),
    # --- one request of it, and what is shared
    Part("RequestResponseCycle", "scope", "the ASGI scope; its method"),
    Part("RequestResponseCycle", "transport", "what it writes to; replaced before its task runs"),
    Part("RequestResponseCycle", "flow", "as the connection's"),
    Part("RequestResponseCycle", "default_headers", "headers of each reply: names and values"),
    Part("RequestResponseCycle", "message_event", "set, it wakes `receive`"),
    Part("RequestResponseCycle", "on_response", "to be called when the answer is whole", "()"),
    Part("RequestResponseCycle", "keep_alive", "False: the connection is closed after the answer"),
    Part("RequestResponseCycle", "disconnected", "True: `receive` tells that the client left"),
    Part("RequestResponseCycle", "more_body", "whether some of the request's body is to come"),
    Part("RequestResponseCycle", "response_started", "whether the answer's head was written"),
    Part("RequestResponseCycle", "response_complete", "whether the answer was written to its end"),
    Part(
        "RequestResponseCycle",
        "send",
        "ASGI's `send`, looked up when the task begins; replaced for HTTP/1.0",
        "(self, message)",
    ),
    Part("FlowControl", "read_paused", "whether the connection is not read"),
    Part("FlowControl", "write_paused", "whether the client reads too slowly"),
    Part("FlowControl", "resume_reading", "reads on, where it was paused", "(self)"),
    Part("FlowControl", "drain", "waits until writing is resumed", "(self)"),
    Part("ServerState", "total_requests", "counts all answers"),
    Part("ServerState", "default_headers", "another list each second: the date is in it"),
    # --- the server and its workers
    Part("uvicorn.supervisors.multiprocess", "Process", "base class of a worker's process"),
    Part("Server", "startup", "listens; `started` is true afterwards", "(self, sockets=None)"),
    Part("Server", "started", "whether it listens"),
    Part("Server", "should_exit", "whether a signal has asked it to end"),
    Part("Server", "capture_signals", "overridden; a context around its work", "(self)"),
    Part(
        "Server", "handle_exit", "what a signal does: once, it ends in order", "(self, sig, frame)"
    ),
    Part("Process", "config", "as given"),
    Part("Process", "target", "overridden; runs in the new process", "(self, sockets=None)"),
    Part("Process", "child_conn", "the new process's end of the pipe for pings"),
    Part("Process", "parent_conn", "the parent's end: sends, and is polled for answers"),
    Part("Process", "pid", "of the process; None before its start"),
    Part("Process", "exitcode", "its status; None while it runs"),
    Part("Process", "start", "starts it, with a fresh interpreter", "(self)"),
    Part("Process", "terminate", "sends SIGTERM, where it runs", "(self)"),
    Part("Process", "kill", "ends it at once", "(self)"),
)
"""Every part, by owner. `uvicorn.Config` and `uvicorn.Server(config).run(sockets)` are documented.
"""
