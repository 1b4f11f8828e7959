"""Chinese words for what the counter refuses; a test holds every one to its English origin."""

__all__ = ["COUNTER"]

COUNTER = (
    (
        r"refused: above the limit of (?P<most>\d+) hundredths for one sale",
        "超过单笔售电上限（{most} 分）",
    ),
    (
        r"refused: above the limit of (?P<most>\d+) hundredths for one customer and day",
        "超过该用户每日购电上限（{most} 分）",
    ),
    (
        r"refused: above the limit of (?P<most>\d+) hundredths for one operator and day",
        "超过操作员每日售电上限（{most} 分）",
    ),
    (r"refused: purchase (?P<count>\d+) is not collected yet", "第 {count} 次购电尚未取回"),
    (
        r"refused: the meter was not read since: collect its usage first",
        "电表在签名之后尚未抄读",
    ),
    (r"refused: the meter has it", "电表内已有此次购电"),
    (r"refused: the purchase is (?P<state>\w+)", "此次购电的状态为 {state}"),
    (
        r"refused: payment (?P<payment>.*) has bought something else",
        "缴费单号 {payment} 已用于另一笔购电",
    ),
    (
        r"refused: payment (?P<payment>.*) was cancelled: it buys nothing any more",
        "缴费单号 {payment} 的购电已撤销，不能再用",
    ),
    (r"refused: no customer has meter (?P<meter>\d+)", "电表 {meter} 尚未建档"),
    (
        r"refused: (?P<number>\d+) has meter (?P<meter>\d+) already",
        "用户 {number} 已对应电表 {meter}",
    ),
    (
        r"refused: number (?P<count>\d+) was signed for (?P<amount>\d+) hundredths and for nothing else",
        "第 {count} 次购电已按 {amount} 分签名，金额不能改变",
    ),
    (
        r"refused: the meter has used its last purchase number: exchange it",
        "电表购电次数已用尽，请换表",
    ),
    (r"an amount is above zero", "金额须大于零"),
    (
        r"(?P<text>.*) is not an amount with at most two decimals",
        "{text} 不是最多两位小数的金额",
    ),
    (r"(?P<text>.*) is not an amount", "{text} 不是金额"),
    (r"a sale needs the reference of its payment", "售电须有缴费单号"),
    (
        r"the terminal of this meter is not online: sell by a medium, or later",
        "该电表的终端不在线：请用介质售电，或稍后再试",
    ),
    (r"a number has 12 digits, not (?P<text>.*)", "编号为 12 位数字，而不是 {text}"),
)
"""Pattern of the English words and the Chinese ones, with the names of the pattern filled in."""
