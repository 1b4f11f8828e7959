"""Records of prepayment: purchases of energy or money, and refunds.

Source: DL/T 645-2007, annex A, in the State Grid filings.
"""

from kwhub.protocols.dlt645.families import Family, Part, rows

__all__ = ["FAMILIES"]

# fmt: off
REFUND = (
    Part("date", "日期"),
    Part("count before", "退费前次数", "times"),
    Part("amount", "退费金额", "yuan"),
    Part("money before", "退费前剩余金额", "yuan"),
    Part("money after", "退费后剩余金额", "yuan"),
)

FAMILIES = rows(
    "State Grid filing to DL/T 645-2007, prepayment",
    Family("033201{last}", "YYMMDDhhmm", "", "energy purchase, {last}: date", "({last})购电日期"),
    Family("033202{last}", "XXXX", "times", "energy purchase, {last}: count after", "({last})购电后总购电次数"),
    Family("033203{last}", "XXXXXX.XX", "kWh", "energy purchase, {last}: energy bought", "({last})购电量"),
    Family("033204{last}", "XXXXXX.XX", "kWh", "energy purchase, {last}: remaining energy before", "({last})购电前剩余电量"),
    Family("033205{last}", "XXXXXX.XX", "kWh", "energy purchase, {last}: remaining energy after", "({last})购电后剩余电量"),
    Family("033206{last}", "XXXXXX.XX", "kWh", "energy purchase, {last}: total bought after", "({last})购电后累计购电量"),
    Family("033301{last}", "YYMMDDhhmm", "", "money purchase, {last}: date", "({last})购电日期"),
    Family("033302{last}", "XXXX", "times", "money purchase, {last}: count after", "({last})购电后总购电次数"),
    Family("033303{last}", "XXXXXX.XX", "yuan", "money purchase, {last}: money paid", "({last})购电金额"),
    Family("033304{last}", "XXXXXX.XX", "yuan", "money purchase, {last}: remaining money before", "({last})购电前剩余金额"),
    Family("033305{last}", "XXXXXX.XX", "yuan", "money purchase, {last}: remaining money after", "({last})购电后剩余金额"),
    Family("033306{last}", "XXXXXX.XX", "yuan", "money purchase, {last}: total paid after", "({last})购电后累计购电金额"),
    Family("033400{last}", "YYMMDDhhmm+XXXX+XXXXXX.XXx3", "times,yuan", "refund record, {last}", "({last})退费记录", parts=REFUND),
    single_source=True,
)
