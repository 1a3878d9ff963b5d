"""`Settings`: what the runner is told, for the supervisor and its workers alike."""

from dataclasses import dataclass, field
from typing import Any

from toolkit.netutil import ServerCertificates


@dataclass(frozen=True, slots=True)
class Settings:
    """How an application is run; times in seconds. All values can be written as JSON.

    Attributes:
        target: ``module:attribute``, as `targets.load` takes it.
        interface: ``"auto"``, ``"toolkit"``, ``"asgi"`` or ``"wsgi"``.
        factory: whether the attribute is a function that returns the application.
        app_dir: directory to import from; "" for the current one.
        lifespan: of an ASGI application, as `asgi.ASGIContainer` takes it.
        threads: for a WSGI application.
        host, port: where to listen, unless one of the next two says otherwise.
        unix: path of a Unix socket; "" for none.
        unix_mode: permissions of its file.
        fds: listening sockets that are open already.
        backlog: connections that may wait to be accepted.
        reuse_port: whether other programs may listen on the port too.
        certfile, keyfile, cert_dir, client_ca, client_certificates: as
            `netutil.ServerCertificates` takes them; "" for none.
        server: arguments of `httpserver.HTTPServer`.
        access_log: format of the access log; "off" for none.
        log_level: of everything else.
        loop: ``"auto"``, ``"asyncio"`` or ``"uvloop"``.
        graceful_timeout: that requests get to end.
        drain_delay: that it is served on, not ready any more, before it ends.
        workers: how many processes; 0 for this one alone.
        main: what runs in the process that looks after them, as ``module:attribute``; "" for
            nothing. An async generator function of a `MainProcess`.
        worker_timeout: without a sign of life, after which a worker is replaced; 0 for no end.
        start_timeout: that a worker may take to begin.
        recycle_requests: after which a worker is replaced; 0 for never.
        recycle_rss: bytes of memory past which it is; 0 for never.
        recycle_jitter: by which part of itself each of these two is made larger at most.
        probes: whether ``/livez`` and ``/readyz`` are answered beside the application.
        admin: ``host:port`` where they are answered alone; "" for nowhere.
        checks: functions that say whether the application is ready, as ``module:attribute``.
        reload: whether workers are replaced when a source file changes.
        reload_dirs, reload_patterns: where to look, and for what names.
        debug: whether errors come with their traceback.
    """

    target: str
    interface: str = "auto"
    factory: bool = False
    app_dir: str = ""
    lifespan: str = "auto"
    threads: int = 16
    host: str = "127.0.0.1"
    port: int = 8000
    unix: str = ""
    unix_mode: int = 0o600
    fds: tuple[int, ...] = ()
    backlog: int = 1024
    reuse_port: bool = False
    certfile: str = ""
    keyfile: str = ""
    cert_dir: str = ""
    client_ca: str = ""
    client_certificates: str = "required"
    server: dict[str, Any] = field(default_factory=dict)
    access_log: str = "common"
    log_level: str = "info"
    loop: str = "auto"
    graceful_timeout: float = 30.0
    drain_delay: float = 0.0
    workers: int = 0
    main: str = ""
    worker_timeout: float = 30.0
    start_timeout: float = 120.0
    recycle_requests: int = 0
    recycle_rss: int = 0
    recycle_jitter: float = 0.1
    probes: bool = False
    admin: str = ""
    checks: tuple[str, ...] = ()
    reload: bool = False
    reload_dirs: tuple[str, ...] = ()
    reload_patterns: tuple[str, ...] = ("*.py",)
    debug: bool = False

    @property
    def supervised(self) -> bool:
        """Whether there are workers besides this process."""
        recycles = bool(self.recycle_requests or self.recycle_rss)
        return bool(self.workers or self.main) or self.reload or recycles

    @property
    def uvloop(self) -> bool | None:
        """Which loop, as `ioloop.new_event_loop` takes it."""
        return {"uvloop": True, "asyncio": False}.get(self.loop)

    def certificates(self) -> ServerCertificates | None:
        """Return the certificates to serve https with; None to serve http.

        Raises:
            OSError, ValueError: as `netutil.ServerCertificates`.
        """
        if not (self.certfile or self.cert_dir):
            if self.keyfile or self.client_ca:
                raise ValueError("a key or an authority of clients, and no certificate")
            return None
        return ServerCertificates(
            self.certfile or None,
            self.keyfile or None,
            directory=self.cert_dir or None,
            client_ca=self.client_ca or None,
            client_certificates=self.client_certificates if self.client_ca else "none",  # type: ignore[arg-type]  # checked there
        )
