"""SM4 as prepayment uses it: session keys, short MACs of the wire, sealed orders.

State Grid's chips use an unpublished cipher in this place; the constructions here are ours, with SM4
(GB/T 32907) instead, and known answers of their own. The MAC of four bytes is a limit of the wire.
It protects nothing but the wire; records and ledgers use full-length HMAC.

Source: field order and inputs of each operation: State Grid ESAM commands as they stand in public
meter firmware; the algorithms inside: kwhub, profile ``cn-soft``.
"""

import hmac
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kwhub.domain.errors import LocalError

__all__ = [
    "BLOCK_BYTES",
    "MAC_BYTES",
    "authentication",
    "check_known_answers",
    "child_key",
    "decrypt_block",
    "encrypt_block",
    "mac",
    "open_key",
    "open_order",
    "same",
    "seal_key",
    "seal_order",
    "session_key",
]

BLOCK_BYTES = 16
MAC_BYTES = 4
NONCE_BYTES = 4
HALF_BYTES = 8


def _cipher(key: bytes) -> Cipher[modes.ECB]:
    return Cipher(algorithms.SM4(key), modes.ECB())  # noqa: S305 - single blocks only


def _chained(key: bytes, nonce: bytes) -> Cipher[modes.CBC]:
    if len(nonce) != NONCE_BYTES:
        raise LocalError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
    return Cipher(algorithms.SM4(key), modes.CBC(nonce + bytes(BLOCK_BYTES - NONCE_BYTES)))


def encrypt_block(key: bytes, block: bytes) -> bytes:
    """Encipher one block of 16 bytes."""
    encryptor = _cipher(key).encryptor()
    return encryptor.update(block) + encryptor.finalize()


def decrypt_block(key: bytes, block: bytes) -> bytes:
    """Decipher one block of 16 bytes."""
    decryptor = _cipher(key).decryptor()
    return decryptor.update(block) + decryptor.finalize()


def _doubled(half: bytes) -> bytes:
    if len(half) != HALF_BYTES:
        raise LocalError(f"a factor or random has {HALF_BYTES} bytes, not {len(half)}")
    return half + bytes(byte ^ 0xFF for byte in half)


def child_key(master: bytes, factor: bytes) -> bytes:
    """Disperse a master key by a factor of eight bytes (two zero bytes and the meter number)."""
    return encrypt_block(master, _doubled(factor))


def session_key(child: bytes, first_random: bytes) -> bytes:
    """Make the key of one session from the random of eight bytes that opens it."""
    return encrypt_block(child, _doubled(first_random))


def authentication(child: bytes, first_random: bytes) -> bytes:
    """Eight bytes that show that the sender of the random has the key."""
    return encrypt_block(child, first_random + bytes(HALF_BYTES))[:HALF_BYTES]


def _blocks(data: bytes) -> Iterator[bytes]:
    for place in range(0, len(data), BLOCK_BYTES):
        yield data[place : place + BLOCK_BYTES]


def mac(session: bytes, nonce: bytes, header: bytes, data: bytes) -> bytes:
    """Return the MAC of four bytes over the header of an ESAM command and its data.

    Args:
        session: key of 16 bytes.
        nonce: four bytes: the element's random for a write, the end of the master's for a read.
        header: class, instruction, P1, P2 and length of the command that the data is written with.
        data: what is protected.
    """
    message = header + data + b"\x80"
    message += bytes(-len(message) % BLOCK_BYTES)
    encryptor = _chained(session, nonce).encryptor()
    return (encryptor.update(message) + encryptor.finalize())[-BLOCK_BYTES:][:MAC_BYTES]


def seal_order(session: bytes, nonce: bytes, header: bytes, plain: bytes) -> bytes:
    """Encipher whole blocks and put the MAC behind them."""
    encryptor = _chained(session, nonce).encryptor()
    cipher = encryptor.update(plain) + encryptor.finalize()
    return cipher + mac(session, nonce, header, cipher)


def open_order(session: bytes, nonce: bytes, header: bytes, sealed: bytes) -> bytes | None:
    """Return the plain text of what ``seal_order`` made; None when the MAC is wrong."""
    cipher, given = sealed[:-MAC_BYTES], sealed[-MAC_BYTES:]
    if not same(given, mac(session, nonce, header, cipher)):
        return None
    decryptor = _chained(session, nonce).decryptor()
    return decryptor.update(cipher) + decryptor.finalize()


_KEY_HEAD_BYTES = 3


def seal_key(session: bytes, nonce: bytes, head: bytes, key: bytes) -> bytes:
    """Encipher a key of 16 bytes with three bytes about it; 32 bytes that cannot be changed."""
    proof = encrypt_block(session, key)[: BLOCK_BYTES - _KEY_HEAD_BYTES]
    encryptor = _chained(session, nonce).encryptor()
    return encryptor.update(key + head + proof) + encryptor.finalize()


def open_key(session: bytes, nonce: bytes, sealed: bytes) -> tuple[bytes, bytes] | None:
    """Return the three bytes and the key of what ``seal_key`` made; None when it was changed."""
    decryptor = _chained(session, nonce).decryptor()
    plain = decryptor.update(sealed) + decryptor.finalize()
    key, about = plain[:BLOCK_BYTES], plain[BLOCK_BYTES:]
    proof = encrypt_block(session, key)[: BLOCK_BYTES - _KEY_HEAD_BYTES]
    return (about[:_KEY_HEAD_BYTES], key) if same(proof, about[_KEY_HEAD_BYTES:]) else None


def same(left: bytes, right: bytes) -> bool:
    """Compare without telling by the time where the difference is."""
    return hmac.compare_digest(left, right)


_KNOWN_KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")
_KNOWN_CIPHER = bytes.fromhex("681edf34d206965e86b3e94f536e4246")


def check_known_answers() -> None:
    """Run the known answer of GB/T 32907 before the first key is used.

    Raises:
        LocalError: the library does not compute SM4.
    """
    if encrypt_block(_KNOWN_KEY, _KNOWN_KEY) != _KNOWN_CIPHER:
        raise LocalError("the cryptography library gives a wrong SM4 answer: do not go on")
