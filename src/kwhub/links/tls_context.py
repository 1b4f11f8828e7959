"""What both ends of TLS have in common: options, certificates, and errors in plain words.

Options: ``ca`` (file with the certificates that are trusted), ``cert`` and ``key`` (our own), ``least`` (1.2 or
1.3). The client also takes ``name`` (of the server, when it is not the host) and, for trials only,
``insecure-do-not-verify-the-server=yes``. A server that is given ``ca`` lets in only those who show a
certificate of it.

Source: RFC 8446 (TLS 1.3), RFC 9325 (TLS 1.2 at least); X.509 verify codes as OpenSSL numbers them.
"""

import ssl
from functools import partial
from pathlib import Path
from types import MappingProxyType

from kwhub.domain.errors import ConfigError
from kwhub.links.address import LinkAddress

__all__ = [
    "CLIENT_OPTIONS",
    "HANDSHAKE_S",
    "LOUD",
    "SERVER_OPTIONS",
    "client_context",
    "plain_words",
    "server_context",
    "server_name",
]

HANDSHAKE_S = 15.0
"""How long the greeting may take."""

LOUD = "insecure-do-not-verify-the-server"
"""Whoever writes this knows what it means: anybody may be the other end."""

SERVER_OPTIONS = ("ca", "cert", "key", "least")
CLIENT_OPTIONS = (*SERVER_OPTIONS, "name", LOUD)

_VERSIONS = MappingProxyType({"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3})

_VERIFY_WORDS = MappingProxyType(
    {
        9: "its certificate is not valid yet: is the clock of this machine right?",
        10: "its certificate has expired",
        18: "its certificate is signed by itself and not trusted here",
        19: "its certificate comes from a CA that is not in the ca file",
        20: "its certificate comes from a CA that is not in the ca file",
        21: "its certificate comes from a CA that is not in the ca file",
        23: "its certificate was revoked",
        62: "its certificate is for another name",
        64: "its certificate is for another IP address",
    }
)
"""X.509 verify codes of OpenSSL."""

_REASON_WORDS = (
    ("CERTIFICATE_REQUIRED", "the other side wants a certificate: give cert and key"),
    ("CERTIFICATE_EXPIRED", "the other side says that our certificate has expired"),
    ("CERTIFICATE_REVOKED", "the other side says that our certificate was revoked"),
    ("UNKNOWN_CA", "the other side does not know the CA of our certificate"),
    ("BAD_CERTIFICATE", "the other side refuses our certificate"),
    ("CERTIFICATE_UNKNOWN", "the other side refuses our certificate"),
    ("HANDSHAKE_FAILURE", "the other side refuses: no certificate of ours, or no common cipher"),
    ("PROTOCOL_VERSION", "the two sides have no TLS version in common"),
    ("UNSUPPORTED_PROTOCOL", "the two sides have no TLS version in common"),
    ("UNEXPECTED_MESSAGE", "the other side does not speak TLS"),
    ("WRONG_VERSION_NUMBER", "the other side does not speak TLS"),
    ("RECORD_LAYER_FAILURE", "the other side does not speak TLS"),
    ("HTTP_REQUEST", "the other side does not speak TLS"),
)
"""Parts of OpenSSL's reasons; alerts carry the same words."""


def plain_words(error: BaseException) -> str:
    """What went wrong with TLS, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        words = _VERIFY_WORDS.get(error.verify_code, error.verify_message)
        detail = f" ({error.verify_message.rstrip('.')})" if error.verify_code in {62, 64} else ""
        return f"the other side cannot be trusted: {words}{detail}"
    if isinstance(error, ssl.SSLError):
        reason = str(error.reason or error)
        found = (words for part, words in _REASON_WORDS if part in reason.upper())
        return next(found, f"TLS: {reason.replace('_', ' ').lower()}")
    if isinstance(error, ConnectionResetError | ssl.SSLEOFError):
        return "the other side hung up"
    return str(getattr(error, "strerror", None) or error)


def client_context(address: LinkAddress) -> ssl.SSLContext:
    """How to call. Raises ConfigError naming the option."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = address.choice("least", ssl.TLSVersion.TLSv1_2, _VERSIONS)
    if address.choice(LOUD, default=False, allowed={"yes": True}):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif "ca" in address.options:
        _load_ca(context, address)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if "cert" in address.options:
        _load_own(context, address)
    elif "key" in address.options:
        raise address.wrong("option key needs option cert")
    return context


def server_context(address: LinkAddress) -> ssl.SSLContext:
    """How to be called. Raises ConfigError naming the option."""
    if "cert" not in address.options:
        raise address.wrong(f"{address.scheme}: needs option cert, a file with its certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = address.choice("least", ssl.TLSVersion.TLSv1_2, _VERSIONS)
    if "ca" in address.options:
        _load_ca(context, address)
        context.verify_mode = ssl.CERT_REQUIRED
    _load_own(context, address)
    return context


def server_name(address: LinkAddress, host: str) -> str:
    """The name that the server's certificate must carry."""
    return address.options.get("name") or host


def _load_ca(context: ssl.SSLContext, address: LinkAddress) -> None:
    path = address.options["ca"]
    try:
        context.load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:
        raise address.wrong(f"option ca: {path}: {_file_trouble(path, error)}") from error


def _load_own(context: ssl.SSLContext, address: LinkAddress) -> None:
    cert = address.options["cert"]
    key = address.options.get("key")
    try:
        context.load_cert_chain(cert, key, password=partial(_no_pass_phrase, address))
    except (OSError, ValueError) as error:
        paths = f"{cert} and {key}" if key else cert
        trouble = _file_trouble(key or cert, error) or _file_trouble(cert, error)
        raise address.wrong(f"options cert and key: {paths}: {trouble}") from error


def _no_pass_phrase(address: LinkAddress) -> str:
    raise ConfigError("the key has a pass phrase; a service needs one without", key=address.text)


def _file_trouble(path: str, error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        if "KEY_VALUES_MISMATCH" in str(error.reason):
            return "the key does not belong to the certificate"
        return "no certificate or key in PEM form"
    if not Path(path).exists():
        return f"{path} does not exist"
    return str(getattr(error, "strerror", None) or error)
