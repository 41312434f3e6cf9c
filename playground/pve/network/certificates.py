"""Make the certificates of the playground's cluster: a root CA and a node certificate signed by it.

They are built like a real node's (pve-cluster, Setup.pm gen_pve_ssl_cert). The node's certificate names
127.0.0.1, ::1, localhost, the node's address and its name. It is signed by the cluster's own root CA. Clients
verify with the CA's file.
"""

from __future__ import annotations

import atexit
import datetime
import functools
import ipaddress
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files, and the node certificate's SHA-256 fingerprint as Proxmox shows it (`AA:BB:…`)."""

    ca_file: Path
    cert_file: Path
    key_file: Path
    fingerprint: str


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    days: float = 30.0,
    begins: float = -1.0,
) -> x509.CertificateBuilder:
    """Begin a certificate that is valid from `begins` until `days`, both in days from now.

    It is valid for at least a day.
    """
    now = datetime.datetime.now(datetime.UTC)
    ends = now + datetime.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now + datetime.timedelta(days=begins), ends - datetime.timedelta(days=1)))
        .not_valid_after(ends)
    )


def _name(common: str, organisation: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
        ]
    )


def make_certificates(directory: Path, node: str, address: str, *, old_ca: bool = False) -> Certificates:
    """Write pve-root-ca.pem, pve-ssl.pem and the key of each (.key) into `directory`.

    `old_ca`: make the root CA as on clusters installed before pve-cluster's fix of bug 6701, without a keyUsage
    extension. OpenSSL's strict mode (Python 3.13 and urllib3 2.8) refuses it.
    """
    _write_root(directory, old_ca=old_ca)
    return sign_node(directory / "pve-root-ca.pem", directory, node, address, "pve-ssl")


@functools.cache
def shared_certificates(node: str, address: str, *, old_ca: bool) -> Certificates:
    """Return the certificates of these values, which all clusters of this process share.

    Their files exist until the end of the process.
    """
    directory, owner = Path(tempfile.mkdtemp(prefix="pve-")), os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # not at the end of a forked process
            shutil.rmtree(directory, ignore_errors=True)

    atexit.register(remove)
    return make_certificates(directory, node, address, old_ca=old_ca)


def _write_root(directory: Path, *, old_ca: bool) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Proxmox Virtual Environment", "PVE Cluster Manager CA")
    ca = _builder(name, name, key.public_key())
    ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    ca = ca.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if not old_ca:
        ca = ca.add_extension(_usage(signs_certificates=True), critical=True)
    certificate = ca.sign(key, hashes.SHA256())
    (directory / "pve-root-ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_key(directory / "pve-root-ca.key", key)


def sign_node(
    ca_file: Path,
    directory: Path,
    node: str,
    address: str,
    file_name: str,
    days: float = 30.0,
    begins: float = -1.0,
) -> Certificates:
    """Write the certificate of a node and its key into `directory`, signed by this root CA, whose key is beside it.

    `days`: days until it ends, negative if it has ended. `begins`: days until it becomes valid.
    """
    ca_name = x509.load_pem_x509_certificate(ca_file.read_bytes()).subject
    ca_key = serialization.load_pem_private_key(ca_file.with_suffix(".key").read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)  # noqa: S101  # written above
    node_key = ec.generate_private_key(ec.SECP256R1())

    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.DNSName(node)]
    for text in dict.fromkeys(("127.0.0.1", "::1", address)):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(text)))
        except ValueError:
            names.append(x509.DNSName(text))
    cert = (
        _builder(
            _name(f"{node}.example.jp", "Proxmox Virtual Environment"),
            ca_name,
            node_key.public_key(),
            days,
            begins,
        )
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(node_key.public_key()), critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )

    made = Certificates(
        ca_file,
        directory / f"{file_name}.pem",
        directory / f"{file_name}.key",
        ":".join(f"{byte:02X}" for byte in cert.fingerprint(hashes.SHA256())),
    )
    made.cert_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    _write_key(made.key_file, node_key)
    return made


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    _write(
        path,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ),
    )


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(content)
