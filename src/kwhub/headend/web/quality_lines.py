"""A finding as a line of a list."""

from dataclasses import dataclass

from kwhub.headend.quality.rules import RULES, Severity
from kwhub.headend.validation.findings import Finding
from kwhub.headend.web.page import Page, query
from kwhub.headend.web.quality_forms import (
    register_name,
    series_name,
)

__all__ = ["FindingLine", "finding_href"]


@dataclass(frozen=True, slots=True)
class FindingLine:
    """A finding in words, and where it is looked at."""

    finding: Finding
    register: str
    series: str
    rule: str
    told: str

    @classmethod
    def of(cls, page: Page, finding: Finding) -> "FindingLine":
        """With its words."""
        t, rule = page.t, RULES[finding.rule]
        return cls(
            finding,
            register_name(t, finding.register),
            series_name(t, finding.interval_s),
            t.either(rule.title_en, rule.title_zh),
            finding.told(t.code),
        )

    @property
    def href(self) -> str:
        """Address of its page."""
        return finding_href(self.finding)

    @property
    def tone(self) -> str:
        """A class of the style sheet for its weight."""
        return {Severity.WRONG: "bad", Severity.SUSPECT: "warn"}.get(self.finding.severity, "dim")


def finding_href(one: Finding) -> str:
    """Address of the page of a finding."""
    asked = query(register=one.register, interval=one.interval_s)
    return f"/completeness/findings/{one.meter_id}/{one.day}/{one.rule.value}{asked}"
