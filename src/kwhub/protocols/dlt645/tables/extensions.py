"""Identifiers of single makers and of supplements whose layout is known in part only.

Source: public material of the makers; each row names where it comes from.
"""

from kwhub.protocols.dlt645.families import Family, Kind, Part, rows

__all__ = ["FAMILIES"]

# fmt: off
FAMILIES = (
    *rows(
        "parameter block of one maker's prepayment meter, seen in frames",
        Family("070104FF", "vendor block", "", "prepaid parameter block (vendor)", "预付费参数块", access="R/C=03", kind=Kind.OPAQUE, size=143),
    ),
    *rows(
        "one maker's prepayment meter",
        Family("070108FF", "HHx4+HHx8+HHx4+NNx6+HHx4", "", "refund (vendor)", "退费", access="R/C=03", kind=Kind.OPAQUE, transfer="4+8+4+6+4"),
        Family("028011FF", "mixed", "", "prepaid live block (vendor)", "预付费实时数据块", kind=Kind.OPAQUE),
        single_source=True,
    ),
    *rows(
        "State Grid key scheme of 2009",
        Family("070203FF", "HHx8+HHx32", "", "remote identity key update", "远程身份认证密钥更新", access="R/C=03", kind=Kind.OPAQUE, size=40),
        single_source=True,
    ),
    *rows(
        "topology recognition extension of one public tool",
        Family("08C0C000", "-", "", "clear topology information", "清除拓扑信息", access="RW?", kind=Kind.OPAQUE),
        Family("08C0C001", "YYMMDDhhmmss", "", "trigger the topology signal", "触发拓扑信号", access="RW?"),
        Family("08C0C002", "XXXX+XXXX", "", "query topology information", "查询拓扑信息", access="RW?", parts=(Part("count", "数量"), Part("first index", "起始序号"))),
        single_source=True,
    ),
    *rows(
        "State Grid supplements to DL/T 645-2007",
        Family("03700001", "?", "", "voltage qualification", "电压合格率", kind=Kind.OPAQUE),
        single_source=True,
    ),
)
