"""Security items: read and written only with control code 03, enciphered by the secure element.

Source: DL/T 645-2007 with the State Grid filings on security. Request and answer differ, and most of both
is cipher text, so the values stay bytes here; ``transfer`` gives the bytes of request -> answer.
"""

from kwhub.protocols.dlt645.families import Family, Kind, rows

__all__ = ["FAMILIES"]

# fmt: off
FAMILIES = (
    *rows(
        "DL/T 645-2007 with the State Grid filings on security (code 03)",
        Family("070000FF", "HHx8+HHx8+HHx8", "", "identity authentication", "身份认证指令", access="C=03", kind=Kind.OPAQUE, transfer="8+8+8 -> 4+8"),
        Family("070001FF", "NNNN+HHx4", "", "identity authentication validity", "身份认证时效设置", access="C=03", kind=Kind.OPAQUE, transfer="2+4"),
        Family("070002FF", "-", "", "end identity authentication", "身份认证失效", access="C=03", kind=Kind.OPAQUE, transfer="0 -> 6+4+4+4"),
        Family("070101FF", "HHx4+HHx4+HHx4+NNx6+HHx4", "", "open account", "开户", access="C=03", kind=Kind.OPAQUE, transfer="4+4+4+6+4"),
        Family("070102FF", "HHx4+HHx4+HHx4+NNx6+HHx4", "", "recharge", "充值", access="C=03", kind=Kind.OPAQUE, transfer="4+4+4+6+4"),
        Family("070201FF", "HHx8+HHx32", "", "control key update", "控制命令密钥更新", access="C=03", kind=Kind.OPAQUE, transfer="8+32"),
        Family("070202FF", "HHx8+HHx32", "", "parameter key update", "参数密钥更新", access="C=03", kind=Kind.OPAQUE, transfer="8+32"),
        Family("078102FF", "-", "", "status query", "状态查询", access="C=03", kind=Kind.OPAQUE, transfer="0 -> 4+4+4+4+6+4"),
    ),
    *rows(
        "DL/T 645-2007 with the State Grid filings on security (code 03)",
        Family("070003FF", "HHx8", "", "infrared authentication", "红外认证指令", access="C=03", kind=Kind.OPAQUE, transfer="8"),
        Family("070004FF", "HH+HHHH+HHxL+HHx4", "", "write information file in clear", "明文写信息文件", access="C=03", kind=Kind.OPAQUE, transfer="1+2+L+4"),
        Family("070005FF", "HH+HHHH+HHxL+HHx4", "", "write information file enciphered", "密文写信息文件", access="C=03", kind=Kind.OPAQUE, transfer="1+2+L+4"),
        Family("070103FF", "HHx4+HHx4+HHx4+HHx4", "", "wallet initialisation", "钱包初始化命令", access="C=03", kind=Kind.OPAQUE, transfer="4+4+4+4"),
        Family("070204FF", "HHx8+HHx32", "", "remote master key update", "远程主控密钥更新", access="C=03", kind=Kind.OPAQUE, transfer="8+32"),
        Family("070301FF", "HHx36xN+HHx4", "", "packed key update", "密钥打包更新", access="C=03", kind=Kind.OPAQUE, transfer="36N+4"),
        Family("078001FF", "HHx8", "", "data read-back", "数据回抄", access="C=03", kind=Kind.OPAQUE, transfer="8 -> 8+Ld+4"),
        Family("078002FF", "HH+HH+HHx4+HHx4", "", "read comparison data", "读取比对数据", access="C=03", kind=Kind.OPAQUE, transfer="1+1+4+4 -> 64"),
        Family("078003FF", "HHx8", "", "infrared authentication request", "红外认证请求", access="C=03", kind=Kind.OPAQUE, transfer="8 -> 6+8+8+8"),
        single_source=True,
    ),
)
