"""The rules of validation as one table: names, bounds, weight, and how a finding reads in both languages.

Source: the names are those of Oracle's meter data management, which the field knows; see GLOSSARY.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TypeAlias

from kwhub.domain.errors import LocalError

__all__ = ["RULES", "Bounds", "Rule", "RuleName", "Severity", "bounds_of"]

Bounds: TypeAlias = Mapping[str, float]
"""Numbers that a rule compares with, by name; see ``Rule.bounds``."""


class RuleName(Enum):
    """What is looked for."""

    HIGH_LOW = "high_low"
    SPIKE = "spike"
    NEGATIVE = "negative"
    ROLLOVER = "rollover"
    ZERO = "zero"
    MISSING = "missing"
    SUM_CHECK = "sum_check"
    DUPLICATE = "duplicate"
    CLOCK = "clock"
    CONSECUTIVE = "consecutive"
    SIBLING = "sibling"


class Severity(Enum):
    """What a finding asks for; the order is the order of weight."""

    INFO = "info"  #: worth knowing; nothing need be done
    SUSPECT = "suspect"  #: a person should look; the value counts
    WRONG = "wrong"  #: the value is not used for money until a person has decided


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        severity: unless the rules of a group say otherwise.
        bounds: every number that may be changed, with its unit at the end of the name.
        told_en: the finding in words, with the evidence in ``{names}``.
        told_zh: the same.
    """

    name: RuleName
    severity: Severity
    bounds: Bounds
    title_en: str
    title_zh: str
    told_en: str
    told_zh: str


def _rule(
    name: RuleName,
    severity: Severity,
    bounds: Mapping[str, float],
    title: tuple[str, str],
    told: tuple[str, str],
) -> Rule:
    return Rule(name, severity, MappingProxyType(dict(bounds)), *title, *told)


_ROWS = (
    _rule(
        RuleName.HIGH_LOW,
        Severity.WRONG,
        {"margin": 1.2, "volt_low": 0.7, "volt_high": 1.3},
        ("High or low", "越限"),
        (
            "{value} {unit}, beyond what {phases} phases of {volt} V and {ampere} A allow ({low} to {high})",
            "{value} {unit}，超出 {phases} 相 {volt} V、{ampere} A 的物理范围（{low} 至 {high}）",
        ),
    ),
    _rule(
        RuleName.SPIKE,
        Severity.SUSPECT,
        {"times": 3.0, "least_kwh": 1.0},
        ("Spike", "突变"),
        (
            "{value} {unit} in one interval, {times} times the third highest of the day ({third})",
            "单个时段 {value} {unit}，为当日第三高值（{third}）的 {times} 倍",
        ),
    ),
    _rule(
        RuleName.NEGATIVE,
        Severity.WRONG,
        {},
        ("Negative", "倒走"),
        (
            "the register went down from {before} to {after} {unit}",
            "示值由 {before} 降至 {after} {unit}",
        ),
    ),
    _rule(
        RuleName.ROLLOVER,
        Severity.INFO,
        {},
        ("Roll-over", "翻转"),
        (
            "the register rolled over from {before} to {after} {unit}: {value} were used",
            "示值由 {before} 翻转至 {after} {unit}，用量 {value}",
        ),
    ),
    _rule(
        RuleName.ZERO,
        Severity.SUSPECT,
        {"days": 3},
        ("Zero", "零用量"),
        (
            "nothing used for {days} days, after a daily {usual} {unit}",
            "连续 {days} 天无用量，此前日均 {usual} {unit}",
        ),
    ),
    _rule(
        RuleName.MISSING,
        Severity.SUSPECT,
        {"share": 0.0},
        ("Missing", "缺数"),
        ("{count} of {expected} values are missing", "应有 {expected} 点，缺 {count} 点"),
    ),
    _rule(
        RuleName.SUM_CHECK,
        Severity.WRONG,
        {"tolerance_kwh": 0.02},
        ("Sum check", "和校验"),
        (
            "the intervals sum to {summed} {unit}, the register grew by {register_grew}",
            "各时段之和 {summed} {unit}，示值差 {register_grew}",
        ),
    ),
    _rule(
        RuleName.DUPLICATE,
        Severity.SUSPECT,
        {},
        ("Duplicate", "重复不一致"),
        (
            "{count} values came twice and differ; the first is kept",
            "{count} 点重复上报且数值不同，保留首次",
        ),
    ),
    _rule(
        RuleName.CLOCK,
        Severity.SUSPECT,
        {},
        ("Clock", "时标异常"),
        (
            "{count} values are stamped beside the grid of {minutes} minutes",
            "{count} 点的时标不在 {minutes} 分钟网格上",
        ),
    ),
    _rule(
        RuleName.CONSECUTIVE,
        Severity.SUSPECT,
        {"intervals": 12, "least_kwh": 1.0},
        ("Consecutive", "连续相同"),
        (
            "the same {value} {unit} in {count} intervals one after another",
            "连续 {count} 个时段均为 {value} {unit}",
        ),
    ),
    _rule(
        RuleName.SIBLING,
        Severity.SUSPECT,
        {"times": 5.0, "siblings": 3, "least_kwh": 5.0},
        ("Sibling", "同组比对"),
        (
            "{value} {unit} against {expected}, which the like meters beside it lead to expect",
            "{value} {unit}，按同组表计推算应为 {expected}",
        ),
    ),
)

RULES: Mapping[RuleName, Rule] = MappingProxyType({row.name: row for row in _ROWS})
"""Every rule by name."""


def bounds_of(name: RuleName, changed: Bounds) -> Bounds:
    """The bounds of a rule with some of them changed.

    Raises:
        LocalError: a bound that the rule does not have, or one that is no number from 0 on.

    >>> bounds_of(RuleName.SPIKE, {"times": 4})["times"]
    4
    """
    own = RULES[name].bounds
    for key, value in changed.items():
        if key not in own:
            known = ", ".join(own) or "none"
            raise LocalError(f"{name.value} has no bound {key!r}; it has: {known}")
        if not 0 <= value < 1e12:
            raise LocalError(f"{name.value}.{key}: a number from 0 on, not {value}")
    return {**own, **changed}
