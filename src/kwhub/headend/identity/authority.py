"""The system's own certificate authority: a root, one CA below it for devices and one for servers.

The folder holds ``root.pem``, ``devices.pem`` and ``servers.pem`` with a ``.key`` beside each. The key of the root is
needed only to make the other two: take ``root.key`` away to a safe place and the head-end goes on.

Source: RFC 5280 (certificates), RFC 2986 (signing requests), RFC 8446 (what TLS 1.3 wants of them).
"""

import os
import secrets
import stat
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kwhub.domain.errors import ConfigError, DecodeError
from kwhub.exchange.device_messages import HEAD_END_NAME

__all__ = ["Authority", "Issued", "key_digest"]

ROOT_LIFE = timedelta(days=3_650)
SERVER_LIFE = timedelta(days=90)
BACKDATED = timedelta(days=1)
"""Certificates hold from yesterday on: the clock of a handheld may be slow."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SERIAL_BITS = 127  # positive, and at most 20 octets


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was made.

    Attributes:
        chain: the certificate and its CA, PEM.
        serial: hexadecimal.
        key_digest: SHA-256 of the public key.
        not_after: aware, UTC, whole seconds.
    """

    chain: str
    serial: str
    key_digest: bytes
    not_after: datetime


def key_digest(public: ec.EllipticCurvePublicKey) -> bytes:
    """SHA-256 of a public key (SubjectPublicKeyInfo)."""
    der = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return sha256(der).digest()


@dataclass(frozen=True, slots=True)
class _Signer:
    """A CA that can sign."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Authority:
    """Makes certificates for devices and for the head-end's own listeners.

    Attributes:
        root: certificate of the root, PEM.
        digest: SHA-256 of the root certificate, hexadecimal; what an enrolment code carries.
    """

    def __init__(self, folder: Path, now: datetime) -> None:
        """Open the folder; where there is none, make it with new keys.

        Raises:
            ConfigError: a file is missing or damaged, or others may read a key.
        """
        self._folder = folder
        if not (folder / "root.pem").exists():
            _create(folder, now)
        try:
            root = x509.load_pem_x509_certificate((folder / "root.pem").read_bytes())
            self._devices, self._servers = self._signer("devices"), self._signer("servers")
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", file=error.filename) from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigError("holds a damaged certificate or key", file=str(folder)) from error
        self.root = root.public_bytes(serialization.Encoding.PEM).decode()
        self.digest = root.fingerprint(hashes.SHA256()).hex()

    def certify_device(self, request: str, name: str, now: datetime, days: int) -> Issued:
        """Certify the key of a signing request for a device.

        Args:
            request: PKCS #10 in PEM; only its key counts, all else in it is ignored.
            name: common name, ``device#generation``.
            now: aware.
            days: life.

        Raises:
            DecodeError: no signing request, not signed by its key, or not a key on P-256.
        """
        public = _requested(request)
        return _issue(
            self._devices, public, name, _Life(now, timedelta(days=days)), is_server=False
        )

    def server_files(self, now: datetime) -> tuple[Issued, Path]:
        """Make a fresh key and certificate for a listener; returns it with the file that holds both.

        The file has mode 0600 and lies in the folder of the authority.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        life = _Life(now, SERVER_LIFE)
        issued = _issue(self._servers, key.public_key(), HEAD_END_NAME, life, is_server=True)
        path = self._folder / "listener.pem"
        _write_private(path, _private_pem(key) + issued.chain.encode())
        return issued, path

    def _signer(self, name: str) -> _Signer:
        certificate = x509.load_pem_x509_certificate((self._folder / f"{name}.pem").read_bytes())
        path = self._folder / f"{name}.key"
        if path.stat().st_mode & _OTHERS:
            raise ConfigError("others may read it: give it mode 0600 (chmod 600)", file=str(path))
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError("is not a key on an elliptic curve", file=str(path))
        return _Signer(certificate, key)


@dataclass(frozen=True, slots=True)
class _Life:
    now: datetime
    span: timedelta


def _requested(request: str) -> ec.EllipticCurvePublicKey:
    try:
        parsed = x509.load_pem_x509_csr(request.encode())
        signed = parsed.is_signature_valid
        public = parsed.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise DecodeError("signing_request", "not a signing request") from error
    if not signed:
        raise DecodeError("signing_request", "the signing request is not signed by its own key")
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
        raise DecodeError("signing_request", "the key is not on the curve P-256")
    return public


def _builder(
    name: str, issuer: x509.Name | None, public: ec.EllipticCurvePublicKey, life: _Life
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = life.now.replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(public)
        .serial_number(secrets.randbits(_SERIAL_BITS) + 1)
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + life.span)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _issue(
    signer: _Signer,
    public: ec.EllipticCurvePublicKey,
    name: str,
    life: _Life,
    *,
    is_server: bool,
) -> Issued:
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if is_server else ExtendedKeyUsageOID.CLIENT_AUTH
    above = x509.SubjectKeyIdentifier.from_public_key(signer.key.public_key())
    builder = (
        _builder(name, signer.certificate.subject, public, life)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    )
    if is_server:
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        builder = builder.add_extension(names, critical=False)
    made = builder.sign(signer.key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    chain = made.public_bytes(pem) + signer.certificate.public_bytes(pem)
    return Issued(
        chain.decode(), f"{made.serial_number:x}", key_digest(public), made.not_valid_after_utc
    )


def _create(folder: Path, now: datetime) -> None:
    """Make root and CAs; ``root.pem`` comes last, so that a cut in between begins anew."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    life = _Life(now, ROOT_LIFE)
    root = _Signer(_authority("kwhub root", None, key.public_key(), key, life), key)
    pem = serialization.Encoding.PEM
    for name in ("devices", "servers"):
        below = ec.generate_private_key(ec.SECP256R1())
        made = _authority(f"kwhub {name}", root, below.public_key(), key, life)
        _write_private(folder / f"{name}.key", _private_pem(below))
        _write_private(folder / f"{name}.pem", made.public_bytes(pem))
    _write_private(folder / "root.key", _private_pem(key))
    _write_private(folder / "root.pem", root.certificate.public_bytes(pem))


def _authority(
    name: str,
    above: _Signer | None,
    public: ec.EllipticCurvePublicKey,
    key: ec.EllipticCurvePrivateKey,
    life: _Life,
) -> x509.Certificate:
    """A certificate that may sign others: the root's own when there is none above."""
    depth = 1 if above is None else 0
    issuer = None if above is None else above.certificate.subject
    signer = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        _builder(name, issuer, public, life)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=depth), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_private(path: Path, data: bytes) -> None:
    """Whole or not at all, and for nobody else's eyes."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
