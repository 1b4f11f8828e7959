"""The block cipher MISTY1: 64-bit blocks, 128-bit keys, eight rounds.

Needed for one thing only: the encryption algorithm 11 of STS tokens. It is neither fast nor free of
timing differences; keys of a vending system belong into a security module.

Source: RFC 2994; the two substitution tables are those of its section 2.
"""

from kwhub.domain.errors import LocalError

__all__ = ["BLOCK_BYTES", "KEY_BYTES", "Misty1"]

BLOCK_BYTES = 8
KEY_BYTES = 16

_S7 = bytes.fromhex(
    "1b32335a3b1017545b1a72736b2c66491f24136c372e3f4a5d0f405625511c040b46200d7b354442"
    "2b1e41144b79156f0e550936740c6753280a7e38020760291912652f303908685f782a4c6445753d"
    "594803577c4f623c1d215e276a704d3a016d6e6318772305267600312d7a7f61502211064716524e"
    "713e6943345c587d"
)

_S9_DIGITS = (
    "1c30cb15319f1e30e90fb0351810b91171eb13300902d0d30c714a03707e0eb1641931d80a311e05502c"
    "01d1a216311814b1521d200f02b03013a0e511113818e0630e30c81f401b00109d0f81a016d1f301c146"
    "07d0d10821ea18312d0f419e1d30dd1e21281e00ec05909101112f0260dc0b018c10f1f70e716c0b60f9"
    "0d815110114c1030b815412b1ae01707100c04705807f1a413412908415d19d1b21a304807c0511ca023"
    "13d1a716503b0420da1920ce0c106b09f1f112c1840fa1961e116917d03118010a0941da18613e11c060"
    "1751cf06711906506809915000800717c0b70240190de1270db0e41a905210909019c1c10281b313516a"
    "1760df1e51880c516e1de1b10c31df0360ee1ee0f009304909a1b606908112500b05e0b41491c717403e"
    "13b1b708e1c60ae0100951ef04e0f21fd0850fd0f60a016f08308a15609b13c1071670981d01e90031fe"
    "0bd1220890d218f01203306a1420ed17011b0e214f15813114705d1131cd0791611a517909e1b40cc022"
    "13201a0e80041871ed1970391bf1d702718b0c609c0d014e06c0341f206e0ca0250ba1910fe01310602f"
    "1ad1721db0c010b1d60f51ec10d0761141ab07510c1e415905411f04b0c41be0f70290a400e1f007704d"
    "17a08608b0b31710bf10e10409715b1601680d70bb0661ce0fc0921c506f01604a0a11390af0f119000a"
    "1aa14317b05618d1660d41fb14d19419a0871f81230a71b814103c1f914002a15511a1a11980d51261af"
    "06112e1571dc07218a0aa0961150ef04507b08d14505305f1780b202e0201d503f1c91e71ac044038014"
    "0b116b0ab0b505a1821c81d40181770640cf06d10019913015a0051201bb1bd0e004f0d613f1c412a015"
    "0060ff19b0a604308805015f1e812107317e0bc0c20c91731891f50741cc1e61a819501f04100d1ba032"
    "03d1d10800a80571b91621480d910506207a0211ff1121081c00a911d1b01a60cd0f305c10205b1d9144"
    "1f60ad0a503a1cb13617f0460e101e1dd0e61371fa18508c08f0401b50be0780000ac11015e1240021bc"
    "0a20ea0701fc11615c04c1c2"
)
"""512 values of nine bits, three hexadecimal digits each."""

_S9 = tuple(int(_S9_DIGITS[place : place + 3], 16) for place in range(0, len(_S9_DIGITS), 3))


def _fi(half: int, key: int) -> int:
    """Mix 16 bits: nine and seven bits take turns (RFC 2994, 2.2)."""
    nine, seven = half >> 7, half & 0x7F
    nine = _S9[nine] ^ seven
    seven = _S7[seven] ^ (nine & 0x7F)
    seven ^= key >> 9
    nine ^= key & 0x1FF
    nine = _S9[nine] ^ seven
    return seven << 9 | nine


class Misty1:
    """A key, ready to encrypt and decrypt blocks of eight bytes."""

    __slots__ = ("_key", "_mixed")

    def __init__(self, key: bytes) -> None:
        """Expand a key of 16 bytes; raises LocalError for any other length."""
        if len(key) != KEY_BYTES:
            raise LocalError(f"a MISTY1 key has {KEY_BYTES} bytes, not {len(key)}")
        words = [int.from_bytes(key[place : place + 2]) for place in range(0, KEY_BYTES, 2)]
        self._key = words
        self._mixed = [_fi(words[place], words[(place + 1) % 8]) for place in range(8)]

    def encrypt(self, block: int) -> int:
        """Encrypt one block, given and returned as a number of 64 bits."""
        left, right = block >> 32, block & 0xFFFFFFFF
        for number in range(0, 8, 2):
            left, right = self._fl(left, number), self._fl(right, number + 1)
            right ^= self._fo(left, number)
            left ^= self._fo(right, number + 1)
        left, right = self._fl(left, 8), self._fl(right, 9)
        return right << 32 | left

    def decrypt(self, block: int) -> int:
        """Undo ``encrypt``."""
        right, left = block >> 32, block & 0xFFFFFFFF
        left, right = self._fl_back(left, 8), self._fl_back(right, 9)
        for number in range(6, -1, -2):
            left ^= self._fo(right, number + 1)
            right ^= self._fo(left, number)
            left, right = self._fl_back(left, number), self._fl_back(right, number + 1)
        return left << 32 | right

    def _fo(self, word: int, number: int) -> int:
        """One round on 32 bits (RFC 2994, 2.3)."""
        key, mixed = self._key, self._mixed
        first, second = word >> 16, word & 0xFFFF
        first = _fi(first ^ key[number], mixed[(number + 5) % 8]) ^ second
        second = _fi(second ^ key[(number + 2) % 8], mixed[(number + 1) % 8]) ^ first
        first = _fi(first ^ key[(number + 7) % 8], mixed[(number + 3) % 8]) ^ second
        return (second ^ key[(number + 4) % 8]) << 16 | first

    def _fl_keys(self, number: int) -> tuple[int, int]:
        """Return the two key words of a linear layer (RFC 2994, 2.4)."""
        half = number // 2
        if number % 2:
            return self._mixed[(half + 2) % 8], self._key[(half + 4) % 8]
        return self._key[half % 8], self._mixed[(half + 6) % 8]

    def _fl(self, word: int, number: int) -> int:
        first, second = self._fl_keys(number)
        left, right = word >> 16, word & 0xFFFF
        right ^= left & first
        left ^= right | second
        return left << 16 | right

    def _fl_back(self, word: int, number: int) -> int:
        first, second = self._fl_keys(number)
        left, right = word >> 16, word & 0xFFFF
        left ^= right | second
        right ^= left & first
        return left << 16 | right
