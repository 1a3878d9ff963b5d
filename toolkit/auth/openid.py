"""`OpenIdMixin`: login by OpenID 2.0, the forerunner of OpenID Connect."""

from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from toolkit.auth.asking import FORM, ask, place, with_query
from toolkit.auth.errors import AuthError
from toolkit.httpclient import AsyncHTTPClient
from toolkit.web import RequestHandler
from toolkit.wire.errors import excerpt

_NS = "http://specs.openid.net/auth/2.0"
_AX = "http://openid.net/srv/ax/1.0"
_ATTRIBUTES = {
    "firstname": "http://axschema.org/namePerson/first",
    "fullname": "http://axschema.org/namePerson",
    "lastname": "http://axschema.org/namePerson/last",
    "email": "http://axschema.org/contact/email",
    "language": "http://axschema.org/pref/language",
    "username": "http://axschema.org/namePerson/friendly",
}
_OUR_NAMES = {uri: name for name, uri in _ATTRIBUTES.items()}
_SPACE = "openid.ns."
_NAMES = ("firstname", "fullname", "lastname")
#: What `authenticate_redirect` asks for unless it is told otherwise.
_DEFAULT_ATTRIBUTES = ("name", "email", "language", "username")
#: Modes of answers without a user.
_FAILURES = ("cancel", "setup_needed", "error")


class OpenIdMixin:
    """Gives a `RequestHandler` login by OpenID 2.0 with Attribute Exchange.

    For existing programs: hardly any provider is left that knows it.

    Attributes:
        _OPENID_ENDPOINT: URL of the provider, which is believed whomever it names.
    """

    _OPENID_ENDPOINT: str

    def authenticate_redirect(
        self,
        callback_uri: str | None = None,
        ax_attrs: Iterable[str] = _DEFAULT_ATTRIBUTES,
    ) -> None:
        """Send the user to the provider; the request is finished.

        The answer comes with an argument ``openid.mode``.

        Args:
            callback_uri: where the user comes back to, relative to the request; None for the
                URL of the request.
            ax_attrs: what to ask for; any of the four of the default.
        Raises:
            ValueError: an attribute that is not known.
        """
        handler = cast(RequestHandler, self)
        here = handler.request.full_url()
        return_to = here if callback_uri is None else urljoin(here, callback_uri)
        args = {
            "openid.ns": _NS,
            "openid.claimed_id": f"{_NS}/identifier_select",
            "openid.identity": f"{_NS}/identifier_select",
            "openid.return_to": return_to,
            "openid.realm": urljoin(return_to, "/"),
            "openid.mode": "checkid_setup",
            **_attribute_request(ax_attrs),
        }
        handler.redirect(with_query(self._OPENID_ENDPOINT, urlencode(args)))

    async def get_authenticated_user(
        self, http_client: AsyncHTTPClient | None = None
    ) -> dict[str, Any]:
        """Return the user who comes back from the provider, which is asked whether it is so.

        Args:
            http_client: instead of that of `get_auth_http_client`.
        Returns:
            What is known of ``name``, ``first_name``, ``last_name``, ``email``, ``locale``,
            ``username`` and ``claimed_id``.
        Raises:
            AuthError: the provider does not know of it, or it is for another site.
        """
        handler = cast(RequestHandler, self)
        args = {
            name: cast(str, handler.get_argument(name, strip=False))
            for name in handler.request.arguments
            if name.startswith("openid.")
        }
        mode = args.get("openid.mode", "")
        if mode in _FAILURES:
            said = args.get("openid.error", "")
            raise AuthError(
                f"the provider answers openid.mode={mode}{', ' + excerpt(said) if said else ''}",
                error=mode,
                description=said,
            )
        self._openid_check_return(args.get("openid.return_to"))
        client = http_client or self.get_auth_http_client()
        url = self._OPENID_ENDPOINT
        form = urlencode({**args, "openid.mode": "check_authentication"})
        response = await ask(client, url, method="POST", headers=FORM, body=form)
        if b"is_valid:true" not in response.body.splitlines():
            raise AuthError(
                f"Invalid OpenID response: {place(url)} answered {excerpt(response.body)}"
            )
        return _user(_signed(args))

    def _openid_check_return(self, return_to: str | None) -> None:
        """Refuse an answer that the user gave to another site, which hands it on to us.

        The provider, which is asked next, sees to it that it is there.

        Raises:
            AuthError: it does not lead to the URL of this request.

        OpenID Authentication 2.0 §11.1
        """
        if return_to is None:
            return
        request = cast(RequestHandler, self).request
        # The scheme is left out: TLS may end in front of the server.
        here, there = urlsplit(request.full_url()), urlsplit(return_to)
        asked = set(parse_qsl(there.query, keep_blank_values=True))
        given = set(parse_qsl(here.query, keep_blank_values=True))
        if there.netloc.lower() != here.netloc.lower() or there.path != here.path or asked - given:
            raise AuthError(
                f"the answer is for {place(return_to)}, and came to {place(request.full_url())}"
            )

    def get_auth_http_client(self) -> AsyncHTTPClient:
        """Return the client for requests to the provider; may be overridden."""
        return AsyncHTTPClient()


def _attribute_request(names: Iterable[str]) -> dict[str, str]:
    """Return the arguments that ask for attributes."""
    wanted: list[str] = []
    for name in names:
        if name != "name" and name not in _ATTRIBUTES:
            raise ValueError(
                f"attribute {name!r}; {', '.join(_DEFAULT_ATTRIBUTES)} can be asked for"
            )
        wanted += _NAMES if name == "name" else [name]
    if not wanted:
        return {}
    return {
        "openid.ns.ax": _AX,
        "openid.ax.mode": "fetch_request",
        **{f"openid.ax.type.{name}": _ATTRIBUTES[name] for name in wanted},
        "openid.ax.required": ",".join(wanted),
    }


def _signed(args: dict[str, str]) -> dict[str, str]:
    """Return what of an answer the provider has signed, by its own list.

    What is not on it may come from anybody. An answer without the list is no good for a
    provider, which is what decides.
    """
    listed = args.get("openid.signed")
    if listed is None:
        return args
    names = {f"openid.{name}" for name in listed.split(",")}
    return {name: value for name, value in args.items() if name in names}


def _user(args: dict[str, str]) -> dict[str, Any]:
    """Return the user that an answer tells of."""
    known = _attributes(args)
    first, last = known.get("firstname"), known.get("lastname")
    email = known.get("email")
    name = known.get("fullname") or " ".join(part for part in (first, last) if part)
    if not name and email:
        name = email.partition("@")[0]
    language = known.get("language")
    user = {
        "first_name": first,
        "last_name": last,
        "name": name,
        "email": email,
        "locale": language.lower() if language else None,
        "username": known.get("username"),
        "claimed_id": args.get("openid.claimed_id"),
    }
    return {key: value for key, value in user.items() if value}


def _attributes(args: dict[str, str]) -> dict[str, str]:
    """Return the attributes of an answer by our names; the provider has names of its own.

    OpenID Attribute Exchange 1.0 §5.2
    """
    spaces = [name for name, value in args.items() if value == _AX]
    alias = next((name[len(_SPACE) :] for name in spaces if name.startswith(_SPACE)), None)
    prefix = f"openid.{alias}.type."
    found = {}
    for name, uri in args.items():
        if alias is not None and name.startswith(prefix) and uri in _OUR_NAMES:
            value = f"openid.{alias}.value.{name[len(prefix) :]}"
            # With a count there may be several, of which the first one is taken.
            found[_OUR_NAMES[uri]] = args.get(value) or args.get(f"{value}.1") or ""
    return found
