"""Certificates of a TLS server: chosen by name (SNI, RFC 6066 §3), read anew while it serves."""

import asyncio
import os
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from toolkit.log import app_log, gen_log
from toolkit.wire.x509 import read_pem

#: Ciphers for TLS 1.2: forward secrecy and authenticated encryption (RFC 9325 §4.2). Those of
#: TLS 1.3 are all good, and not chosen by this.
SERVER_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
#: Alerts for a client that asks for a name without a certificate (RFC 6066 §3), or for none where
#: there has to be one (RFC 8446 §9.2), or wants to resume with a certificate trusted no more.
UNRECOGNIZED_NAME = int(ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)
MISSING_EXTENSION = 109  # which `ssl` has no name for
CERTIFICATE_UNKNOWN = int(ssl.AlertDescription.ALERT_DESCRIPTION_CERTIFICATE_UNKNOWN)

StrPath = str | os.PathLike[str]
Password = str | bytes | Callable[[], str | bytes]
#: A certificate's file and its key's; None where the certificate's has both.
Pair = tuple[Path, Path | None]
#: What changes when any of the files does.
Stamp = tuple[object, ...]

_VERIFY_MODES = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """One certificate that a server has.

    Attributes:
        certfile: the file that it was read from, with its chain.
        names: host names and IP addresses that it is for; ``*.`` begins those that stand for
            all names of a domain.
        not_before: since when it is valid.
        not_after: until when it is valid.
    """

    certfile: Path
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    _context: ssl.SSLContext = field(repr=False, compare=False)


class ServerCertificates:
    """The certificates of a TLS server, chosen by the name that a client asks for.

    Example::

        certificates = ServerCertificates(directory="/etc/letsencrypt/live")

        async def main():
            async with EchoServer(certificates) as server:
                server.listen(443)
                await certificates.watch()

    Which names a certificate is for is said by the certificate itself (subjectAltName), not by
    its file. An exact name goes before a wildcard; of two certificates for a name the one that
    is valid longer is shown.

    Args:
        certfile: a certificate and its chain, in PEM; ``certfile``, ``directory`` or both.
        keyfile: its key; None when the certificate's file has it.
        directory: more of them: ``NAME.pem`` or ``NAME.crt`` beside ``NAME.key``, and
            ``fullchain.pem`` beside ``privkey.pem`` in the directory itself or in one below it,
            as certbot lays them out. Other files, and those that a dot begins, are passed over.
        default: the name whose certificate other clients get, such as those that ask for no
            name; None for that of ``certfile``, else the first one by the names of the files.
        refuse_unknown: to give other clients an alert instead.
        alpn_protocols: what the server speaks, the best first (RFC 7301). With a client that
            speaks none of it the connection goes on as if neither had said anything.
        minimum_version: the oldest version of TLS.
        ciphers: for TLS 1.2, in OpenSSL's words.
        client_certificates: ``"none"``, ``"optional"`` or ``"required"`` (mutual TLS).
        client_ca: a file of the authorities, in PEM, that certificates of clients have to
            come from.
        password: of all keys that are encrypted, or what returns it, also in a thread of `watch`.
    Raises:
        OSError: a file cannot be read, or OpenSSL can make nothing of it; a note says which.
        ValueError: the arguments do not go together, or there is no certificate.

    Attributes:
        context: for everything that takes an `ssl.SSLContext`; it stays the same.
    """

    def __init__(
        self,
        certfile: StrPath | None = None,
        keyfile: StrPath | None = None,
        *,
        directory: StrPath | None = None,
        default: str | None = None,
        refuse_unknown: bool = False,
        alpn_protocols: Sequence[str] = ("http/1.1",),
        minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
        ciphers: str = SERVER_CIPHERS,
        client_certificates: Literal["none", "optional", "required"] = "none",
        client_ca: StrPath | None = None,
        password: Password | None = None,
    ) -> None:
        self._files = _Files(
            None if certfile is None else Path(certfile),
            None if keyfile is None else Path(keyfile),
            None if directory is None else Path(directory),
            None if client_ca is None else Path(client_ca),
        )
        if refuse_unknown and default is not None:
            raise ValueError(f"default {default!r}, while unknown names are to be refused")
        if client_certificates not in _VERIFY_MODES:
            allowed = ", ".join(_VERIFY_MODES)
            raise ValueError(f"client_certificates {client_certificates!r}; {allowed} are allowed")
        if (client_certificates == "none") != (client_ca is None):
            raise ValueError("client_certificates and client_ca go together")
        self._settings = _Settings(
            tuple(alpn_protocols),
            minimum_version,
            ciphers,
            _VERIFY_MODES[client_certificates],
            _no_password if password is None else password,
        )
        self._default = default
        self._refuse_unknown = refuse_unknown
        self._state = self._read(None)
        # Sessions from before are not resumed, as nobody would look at the client's certificate.
        self._distrusted_at = 0.0
        self.context = self._settings.make_context()
        self.context.sni_callback = self._choose

    @property
    def certificates(self) -> tuple[ServerCertificate, ...]:
        """All certificates that there are, for those who watch over their dates."""
        return self._state.certificates

    # -- choosing ------------------------------------------------------------------------

    def _choose(self, connection: Any, name: str | None, _: ssl.SSLContext) -> int | None:
        """Give a handshake the certificate for a name, or return an alert; called by `ssl`."""
        if connection.session_reused and connection.session.time <= self._distrusted_at:
            return CERTIFICATE_UNKNOWN
        state = self._state
        found = (state.find(name) if name else None) or state.default
        if found is None:
            # OpenSSL's error tells nothing of it.
            gen_log.info("No certificate for a client that asks for the name %.100r", name)
            return UNRECOGNIZED_NAME if name else MISSING_EXTENSION
        connection.context = found._context
        return None

    # -- reading -------------------------------------------------------------------------

    def reload(self) -> bool:
        """Read everything anew; return whether all of it could be read.

        Handshakes from now on get what was read; open connections go on. What cannot be read is
        logged, and its old certificate stays; when that is the file of authorities, or there is
        no certificate at all, everything stays. It blocks for about a millisecond for each
        certificate, and suits as the handler of a signal.
        """
        self._take(self._reread(self._state))
        return self._state.complete

    async def watch(self, interval: float = 10.0) -> None:
        """Reload whenever files have changed, were added or taken away; it never returns.

        Args:
            interval: seconds between two looks at the files, which a thread takes.
        """
        if interval <= 0:
            raise ValueError(f"interval of {interval} seconds; more than 0 are allowed")
        while True:
            await asyncio.sleep(interval)
            before = self._state
            if await asyncio.to_thread(self._files.stamp) == before.stamp:
                continue
            state = await asyncio.to_thread(self._reread, before)
            if self._state is before:  # else somebody has called `reload` meanwhile
                self._take(state)

    def _take(self, state: "_State") -> None:
        """Show the certificates of a state from now on."""
        before, self._state = self._state, state
        if state.client_ca != before.client_ca:
            self._distrusted_at = time.time()

    def _reread(self, before: "_State") -> "_State":
        """Return the state as the files have it now, as far as they can be read."""
        stamp = self._files.stamp()
        try:
            return self._read(before)
        except (OSError, ValueError) as error:
            app_log.error("No certificate was reloaded: %s", _explained(error))
            return replace(before, stamp=stamp, complete=False)

    def _read(self, before: "_State | None") -> "_State":
        """Read all files.

        Args:
            before: where certificates come from that cannot be read; None to raise.
        """
        # Before the files: what changes amid reading is seen by the next look.
        stamp = self._files.stamp()
        client_ca = self._files.read_client_ca()
        certificates, complete = [], True
        for certfile, keyfile in self._files.pairs():
            try:
                certificates.append(self._settings.read(certfile, keyfile, client_ca))
            except (OSError, ValueError) as error:
                old = None if before is None else before.read_from(certfile)
                # The old one would go on to trust the old authorities.
                distrusts = before is not None and before.client_ca != client_ca
                if before is None or (old is not None and distrusts):
                    error.add_note(f"certificate {certfile}, key {keyfile or certfile}")
                    raise
                app_log.error("Certificate %s was not reloaded: %s", certfile, error)
                complete = False
                if old is not None:
                    certificates.append(old)
        _warn_of_expired(certificates, datetime.now(UTC))
        state = _State(tuple(certificates), stamp, client_ca, complete)
        return replace(state, default=self._find_default(state))

    def _find_default(self, state: "_State") -> ServerCertificate | None:
        """Return what clients get that ask for no name, or for an unknown one."""
        if not state.certificates:
            raise ValueError(f"no certificate in {self._files.directory}")
        if self._refuse_unknown:
            return None
        if self._default is None:
            return state.certificates[0]
        found = state.find(self._default)
        if found is None:
            raise ValueError(f"no certificate for the default name {self._default!r}")
        return found


@dataclass(frozen=True, slots=True)
class _State:
    """What was read from the files at one time.

    Attributes:
        stamp: of the files as they were before.
        client_ca: the certificates of the authorities.
        complete: whether all could be read.
        default: for clients that ask for no name, or for an unknown one.
    """

    certificates: tuple[ServerCertificate, ...]
    stamp: Stamp
    client_ca: str | None
    complete: bool
    default: ServerCertificate | None = None
    _by_name: dict[str, ServerCertificate] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_name: dict[str, ServerCertificate] = {}
        for certificate in self.certificates:
            for name in certificate.names:
                other = by_name.get(name)
                if other is None or other.not_after < certificate.not_after:
                    by_name[name] = certificate
        object.__setattr__(self, "_by_name", by_name)

    def find(self, name: str) -> ServerCertificate | None:
        """Return the certificate for a name, with or without a dot at its end."""
        name = name.lower().removesuffix(".")
        domain = name.partition(".")[2]
        # RFC 9525 §6.3: a wildcard stands for one whole label, the first.
        return self._by_name.get(name) or self._by_name.get(f"*.{domain}")

    def read_from(self, certfile: Path) -> ServerCertificate | None:
        """Return the certificate that a file had."""
        return next((found for found in self.certificates if found.certfile == certfile), None)


@dataclass(frozen=True, slots=True)
class _Settings:
    """What all contexts have in common."""

    alpn_protocols: tuple[str, ...]
    minimum_version: ssl.TLSVersion
    ciphers: str
    verify_mode: ssl.VerifyMode
    password: Password

    def make_context(self) -> ssl.SSLContext:
        """Return a context without a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self.minimum_version
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.set_ciphers(self.ciphers)
        if self.alpn_protocols:
            context.set_alpn_protocols(list(self.alpn_protocols))
        context.verify_mode = self.verify_mode
        if self.verify_mode != ssl.CERT_NONE:
            # Who resumes a session is not asked for a certificate again, though the authorities
            # may be others by then. TLS 1.2 has sessions all the same; `_choose` sees to them.
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0
        return context

    def read(
        self, certfile: Path, keyfile: Path | None, client_ca: str | None
    ) -> ServerCertificate:
        """Read a certificate and its key, which have to match."""
        context = self.make_context()
        context.load_cert_chain(certfile, keyfile, self.password)
        if client_ca is not None:
            context.load_verify_locations(cadata=client_ca)
        facts = read_pem(certfile.read_bytes())
        return ServerCertificate(certfile, facts.names, facts.not_before, facts.not_after, context)


@dataclass(frozen=True, slots=True)
class _Files:
    """Where everything is read from."""

    certfile: Path | None
    keyfile: Path | None
    directory: Path | None
    client_ca: Path | None

    def __post_init__(self) -> None:
        if self.keyfile is not None and self.certfile is None:
            raise ValueError(f"keyfile {str(self.keyfile)!r} without a certfile")
        if self.certfile is None and self.directory is None:
            raise ValueError("no certificates: give a certfile or a directory")

    def pairs(self) -> list[Pair]:
        """Return the certificates and their keys, in their order.

        Raises:
            OSError: the directory cannot be read.
        """
        found: list[Pair] = []
        if self.certfile is not None:
            found.append((self.certfile, self.keyfile))
        if self.directory is not None:
            found += _as_certbot_has_it(self.directory)
            for path in sorted(self.directory.iterdir()):
                if not path.name.startswith("."):
                    found += _as_certbot_has_it(path) if path.is_dir() else _beside_its_key(path)
        return found

    def read_client_ca(self) -> str | None:
        """Return the certificates of the authorities; None when there is no such file."""
        if self.client_ca is None:
            return None
        # What is not ASCII can only be a remark between the certificates.
        text = self.client_ca.read_text("ascii", "ignore")
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=text)
        except (OSError, ValueError) as error:
            error.add_note(f"client_ca {self.client_ca}")
            raise
        return text

    def stamp(self) -> Stamp:
        """Return a value that differs after files were written, replaced, added or removed."""
        try:
            pairs = self.pairs()
        except OSError as error:
            return (repr(error),)
        paths = [path for pair in pairs for path in pair] + [self.client_ca]
        return tuple((path, *_status(path)) for path in paths if path is not None)


def _as_certbot_has_it(directory: Path) -> list[Pair]:
    """Return the certificate of a directory that holds one; both files or one make it so."""
    pair = directory / "fullchain.pem", directory / "privkey.pem"
    return [pair] if any(os.path.lexists(path) for path in pair) else []


def _beside_its_key(path: Path) -> list[Pair]:
    """Return a file, if it is a certificate whose key has the same name."""
    key = path.with_suffix(".key")
    return [(path, key)] if path.suffix in (".pem", ".crt") and os.path.lexists(key) else []


def _status(path: Path) -> tuple[int, ...]:
    """Return what tells one version of a file from another; empty when it is not there."""
    try:
        found = path.stat()
    except OSError:
        return ()
    # The second time also changes with the permissions.
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


def _no_password() -> str:
    """Refuse, where OpenSSL would ask the terminal and wait."""
    raise ValueError("the key is encrypted, and no password was given")


def _explained(error: BaseException) -> str:
    """Return an error and its notes in one line."""
    return "; ".join([str(error), *getattr(error, "__notes__", ())])


def _warn_of_expired(certificates: Sequence[ServerCertificate], now: datetime) -> None:
    for certificate in certificates:
        if certificate.not_after < now:
            app_log.warning(
                "Certificate %s expired on %s", certificate.certfile, certificate.not_after
            )
