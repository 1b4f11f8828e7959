"""Chinese words for what the counter refuses and finds; a test holds every one to its English origin."""

import re

__all__ = ["COUNTER", "in_chinese"]

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
    (
        r"refused: the meter has not told this number: bring or collect the sale first",
        "电表尚未上报此购电次数：请先重送或取回",
    ),
    (
        r"refused: another person than the seller must settle this sale",
        "须由售电者以外的人核定此次售电",
    ),
    (
        r"refused: this ledger does not know sale (?P<count>\d+) of meter (?P<meter>\d+): .*",
        "账本中没有电表 {meter} 的第 {count} 次购电：恢复的是旧账本，请先用 kwhub vend readmit 补录",
    ),
    (
        r"refused: the ledger knows number (?P<count>\d+) of meter (?P<meter>\d+)",
        "账本中已有电表 {meter} 的第 {count} 次购电",
    ),
    (
        r"refused: the crypto has never signed number (?P<count>\d+) of meter (?P<meter>\d+)",
        "加密机从未为电表 {meter} 的第 {count} 次购电签名",
    ),
    (r"refused: the meter has it", "电表内已有此次购电"),
    (r"refused: a token that was shown cannot be taken back", "令牌一经显示不能撤销"),
    (r"that is too little money for 0.1 kWh", "金额不足 0.1 千瓦时"),
    (
        r"tariff (?P<tariff>.*) has no price: set it with 'kwhub vend price'",
        "电价 {tariff} 未设置：请用 kwhub vend price 设置",
    ),
    (r"refused: the meter has test keys: it takes no money", "电表仍为测试密钥，不能充值"),
    (
        r"refused: the meter had (?P<count>\d+) already: this usage is old",
        "电表已到第 {count} 次购电：带回的数据已过时",
    ),
    (
        r"refused: purchase (?P<count>\d+) of meter (?P<meter>\d+) is cancelled",
        "电表 {meter} 第 {count} 次购电已撤销",
    ),
    (
        r"refused: number (?P<count>\d+) was (sold|signed) for another amount",
        "第 {count} 次购电已用于另一金额",
    ),
    (r"refused: payment (?P<payment>.*) is not known", "没有缴费单号 {payment}"),
    (
        r"refused: the medium was not at its meter since it was loaded",
        "介质写入购电后尚未到过电表",
    ),
    (r"refused: the meter has not signed this usage", "带回的数据不是该电表签名的"),
    (r"refused: the medium has not signed for its load", "介质未确认写入的购电"),
    (
        r"refused: (?P<name>.*) is no user of this head-end who may sell",
        "{name} 不是本主站有售电权限的用户",
    ),
    (
        r"refused: the medium refuses: this is not the counter, or the key is not for this medium",
        "介质拒绝：不是其售电点，或密钥不属于此介质",
    ),
    (r"refused: the medium refuses: it is blank: have it issued first", "介质为空：请先开户发放"),
    (r"this medium is blank: have it issued first", "介质为空：请先开户发放"),
    (r"this medium is issued already: take a blank one", "此介质已发放给他人：请用空白介质"),
    (r"this medium was never loaded: go to the counter", "此介质从未写入购电：请到售电点"),
    (r"refused: the purchase is (?P<sale_state>\w+)", "此次购电的状态为 {sale_state}"),
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
    (r"there is no token key of meter (?P<meter>.*)", "没有电表 {meter} 的令牌密钥"),
    (
        r"the reference of a payment has blanks around it, or signs that nobody sees",
        "缴费单号前后有空格，或含有不可见字符",
    ),
    (r"a sale needs the reference of its payment", "售电须有缴费单号"),
    (
        r"the terminal of this meter is not online: sell by a medium, or later",
        "该电表的终端不在线：请用介质售电，或稍后再试",
    ),
    (
        r"(?P<row>.*) was changed, removed or put in",
        "{row} 被改动、删除或插入",
    ),
    (r"the meter has another purchase", "电表内是另一次购电"),
    (r"whose purchase is in\?", "号码已在表内，但未证明为本次购电"),
    (r"the crypto has signed what nobody has sold", "加密机签名了无人售出的购电"),
    (r"sold (?P<sold>\d+), signed (?P<signed>\d+)", "售出 {sold} 分，签名 {signed} 分"),
    (r"the ledger of that moment is not this one", "签名当时的账本不是现在这一本"),
    (r"the crypto has never signed this sale", "加密机从未为此售电签名"),
    (r"nothing is sold here", "本主站不售电"),
    (
        r"the meter does not tell its purchase number: nothing was sold",
        "电表未上报购电次数：没有售出",
    ),
    (r"the books fail: (?P<path>.*?): (?P<error>.*)", "账本 {path} 出错：{error}"),
    (r"a price is not below zero", "电价不能小于零"),
    (
        r"the token holds no root keys: make them with 'kwhub vend make-keys'",
        "密钥令牌中没有根密钥：请用 kwhub vend make-keys 生成",
    ),
    (r"the token fails: (?P<error>.*)", "密钥令牌出错：{error}"),
    (r"a key version is 1 to (?P<most>\d+)", "密钥版本为 1 至 {most}"),
    (
        r"the token has root keys of version (?P<version>\d+) already",
        "密钥令牌中已有版本 {version} 的根密钥",
    ),
    (
        r"there is no root key of version (?P<version>\d+) in the token",
        "密钥令牌中没有版本 {version} 的根密钥",
    ),
    (
        r"a root key of version (?P<version>\d+) can be read out of the token",
        "版本 {version} 的根密钥可从密钥令牌中读出",
    ),
    (
        r"the token gives a wrong AES-CMAC answer: do not go on",
        "密钥令牌的 AES-CMAC 结果有误：请勿继续使用",
    ),
    (
        r"base date (?P<base>\d+) has ended: the meter needs a key of the next one",
        "基准日期 {base} 已到期：电表需换用下一基准日期的密钥",
    ),
    (r"signed up to (?P<highest>\d+) only", "只签名到第 {highest} 次"),
    (r"the meter has it not", "电表内没有"),
    (r"the meter has it", "电表内已有"),
    (r"no payment (?P<reference>.*)", "没有缴费 {reference}"),
    (r"paid (?P<paid>\d+)", "实缴 {paid} 分"),
    (r"payment (?P<reference>.*) bought nothing", "缴费 {reference} 未购电"),
    (
        r"base date (?P<base>\d+) ends in (?P<days>-?\d+) days: meters need a key of the next one",
        "基准日期 {base} 还有 {days} 天到期：电表需换用下一基准日期的密钥",
    ),
    (r"base date (?P<base>\d+) has ended", "基准日期 {base} 已到期"),
    (
        r"a number has (?P<digits>\d+) digits, not (?P<text>.*)",
        "编号为 {digits} 位数字，而不是 {text}",
    ),
)
"""Pattern of the English words and the Chinese ones, with the names of the pattern filled in."""

_PATTERNS = tuple((re.compile(pattern, re.DOTALL), chinese) for pattern, chinese in COUNTER)


def in_chinese(text: str) -> str:
    """A refusal or finding of the counter in Chinese; any other text as it is."""
    for pattern, chinese in _PATTERNS:
        if found := pattern.fullmatch(text):
            return chinese.format(**found.groupdict())
    return text
