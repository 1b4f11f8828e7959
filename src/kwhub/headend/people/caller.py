"""Who is asking: a user in a session, an API key, or nobody yet; and what they may do where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from kwhub.headend.people.rights import Right

__all__ = ["NOBODY", "Caller", "Kind", "Reach"]


class Kind(Enum):
    """What stands behind a request."""

    NOBODY = "nobody"
    USER = "user"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a right holds; None stands for everywhere.

    Attributes:
        organisations: numbers of organisations, with those below them.
        areas: numbers of their areas.
    """

    organisations: frozenset[int] | None
    areas: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking.

    Attributes:
        kind: user, key or nobody.
        user_id: the user, or the one who made the key; 0 for nobody.
        name: as it stands in the audit trail.
        grants: where each right holds.
        session: digest of the session's id; empty without a session.
        csrf: what every form of this session must send along.
        language: that the user wants to read, ``en`` or ``zh``; empty: the browser's.
        bucket: under which name requests are counted.
    """

    kind: Kind = Kind.NOBODY
    user_id: int = 0
    name: str = ""
    grants: Mapping[Right, Reach] = field(default_factory=dict)
    session: bytes = b""
    csrf: str = ""
    language: str = ""
    bucket: str = ""

    @property
    def rights(self) -> frozenset[Right]:
        """Everything that is allowed somewhere."""
        return frozenset(self.grants) | {Right.OPEN}

    @property
    def may_control(self) -> bool:
        """Whether devices may be changed anywhere."""
        return self.may(Right.CONTROL)

    def may(self, right: Right) -> bool:
        """Whether a right holds anywhere."""
        return right is Right.OPEN or right in self.grants

    def scope(self, right: Right = Right.SEE) -> frozenset[int] | None:
        """Numbers of the areas where a right holds, None for all of them."""
        reach = self.grants.get(right)
        return frozenset() if reach is None else reach.areas

    def organisations(self, right: Right = Right.SEE) -> frozenset[int] | None:
        """Numbers of the organisations where a right holds, None for all of them."""
        reach = self.grants.get(right)
        return frozenset() if reach is None else reach.organisations

    def sees_area(self, area_id: int, right: Right = Right.SEE) -> bool:
        """Whether a right holds in an area."""
        scope = self.scope(right)
        return scope is None or area_id in scope


NOBODY = Caller()
