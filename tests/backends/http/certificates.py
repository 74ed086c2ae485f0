"""An authority of our own, and the certificates that it signs."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HERE = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
ELSEWHERE = x509.DNSName("elsewhere.example")
NO_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n"


class Authority:
    """Its own certificate is in `file`; each that it signs is in a file of its own, with its key."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        self._certificate = self._signed(name, self._key, None, timedelta(days=-1), timedelta(days=1))
        self.file.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def signs(
        self,
        name: x509.GeneralName = HERE,
        since: timedelta = timedelta(days=-1),
        until: timedelta = timedelta(days=1),
    ) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed("shop", key, name, since, until)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path = self._folder / f"{self._name}-{certificate.serial_number}.pem"
        path.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
        return path

    def _signed(
        self,
        subject: str,
        key: ec.EllipticCurvePrivateKey,
        name: x509.GeneralName | None,
        since: timedelta,
        until: timedelta,
    ) -> x509.Certificate:
        """`name`: None for the authority itself."""
        now = datetime.now(UTC)
        ours = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(subject))
            .issuer_name(_named(self._name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + since)
            .not_valid_after(now + until)
            .add_extension(x509.BasicConstraints(ca=name is None, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ours), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )
        if name is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
        return builder.sign(self._key, SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
