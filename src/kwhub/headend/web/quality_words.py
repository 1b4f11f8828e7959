"""Chinese words for what validation, ledger and billing refuse; a test holds every one to its English origin."""

__all__ = ["QUALITY"]

QUALITY = (
    (r"say why the value is right: .*", "请说明该值为何正确：说明将与此发现一并保存"),
    (
        r"there is no finding of this name that is (?P<finding_state>\w+)",
        "没有“{finding_state}”的发现，可能已有人处理",
    ),
    (r"a register does not go below nought", "示值不能小于零"),
    (r"an edit needs a reason, .*", "修改须注明理由，并让审计人员能看懂"),
    (r"there is nothing to write", "没有可写入的内容：所填值与测量值相同"),
    (
        r"there is no hole between two known values; .*",
        "两个已知值之间没有缺口；请等待缺口之后的读数，或手工填写",
    ),
    (
        r"(?P<method>\w+) does not fill this series; these do: (?P<names>.*)",
        "此方法（{method}）不适用于该序列；可用的有：{names}",
    ),
    (
        r"an interval of (?P<interval>-?\d+) s has no holes: choose one .* from (?P<least>\d+) s on",
        "间隔 {interval} 秒没有可填补的缺口：请选择能整除一天、不小于 {least} 秒的间隔",
    ),
    (
        r"at most (?P<count>\d+) values at once: choose fewer days",
        "一次最多 {count} 个值：请缩短日期范围",
    ),
    (
        r"the meter was exchanged in this span, .* no readings of register (?P<register>\S+); .*",
        "此期间换过表，而换表记录缺少 {register} 的止码与起码；请撤回后补全重记，或选择换表之前或之后的日期",
    ),
    (
        (
            r"meter (?P<meter>\d+) was exchanged between (?P<first>\S+) and (?P<last>\S+), and the "
            r"exchange has no readings of register (?P<register>\S+); .*"
        ),
        "电表 {meter} 在 {first} 至 {last} 间换过表，而换表记录缺少 {register} 的止码与起码；请撤回后补全重记",
    ),
    (r"there is no lost hole of this name", "没有这样的永久缺口，可能已有人重新打开"),
    (
        r"(?P<rule>\w+) has no bound '(?P<key>\w+)'; it has: (?P<known>.*)",
        "规则 {rule} 没有界限 {key}；它有：{known}",
    ),
    (
        r"(?P<key>[\w.]+): a number from 0 on, not (?P<value>.*)",
        "{key}：应为不小于 0 的数，而不是 {value}",
    ),
    (r"a rule for (?P<scope>\w+) with the number (?P<number>\d+)", "请选择规则适用的对象"),
    (
        r"there is no set of edits (?P<number>\d+) that could be withdrawn",
        "修改 {number} 不存在或已撤回",
    ),
    (r"from the first to the last day, at most (?P<days>\d+) days", "从首日到末日，最多 {days} 天"),
    (
        r"account (?P<number>\S+) begins on (?P<first>\S+) and ends before (?P<last>\S+)",
        "账户 {number} 自 {first} 起，至 {last} 前止",
    ),
    (r"account (?P<number>\S+) begins on (?P<first>\S+)", "账户 {number} 自 {first} 起"),
    (r"meter (?P<meter>\d+) is not in service", "电表 {meter} 未投运"),
    (
        r"meter (?P<meter>\d+): open findings call values wrong on (?P<days>.*?); .*",
        "电表 {meter}：{days} 有未处理的错误数据；请先确认或修正",
    ),
    (
        r"meter (?P<meter>\d+): no reading of register (?P<register>\S+) at (?P<at>.*?); .*",
        "电表 {meter}：缺少 {register} 在 {at} 的示值；请补抄或估算",
    ),
    (
        (
            r"meter (?P<meter>\d+): register (?P<register>\S+) went down between (?P<first>\S+) and "
            r"(?P<last>\S+); .*"
        ),
        "电表 {meter}：{register} 在 {first} 至 {last} 间示值下降；请登记换表，或更正错误示值",
    ),
    (
        r"meter (?P<meter>\d+): the periods sum to (?P<off>\S+) kWh more or less than .*",
        "电表 {meter}：各费率之和与总示值相差 {off} kWh；请查看和校验的发现",
    ),
    (
        (
            r"meter (?P<meter>\d+): the load curve lacks (?P<count>\d+) values of (?P<day>\S+), "
            r"the first at (?P<at>\S+); .*"
        ),
        "电表 {meter}：{day} 的负荷曲线缺 {count} 点，首个缺点在 {at}；请补抄或估算",
    ),
    (
        r"meter (?P<meter>\d+): the load curve falls at (?P<at>.*?); .*",
        "电表 {meter}：负荷曲线在 {at} 下降；请更正错误值，或登记换表",
    ),
    (
        r"meter (?P<meter>\d+): readings of (?P<day>\S+) wait to be validated; .*",
        "电表 {meter}：{day} 的读数尚待校验；请在校验后再试",
    ),
    (
        r"statement (?P<number>\d+) of this account covers (?P<first>\S+) to (?P<last>\S+) already",
        "该账户的账单 {number} 已覆盖 {first} 至 {last}",
    ),
    (
        (
            r"the account is billed up to (?P<last>\S+): the next statement begins on (?P<first>\S+), "
            r"or the days between would never be billed"
        ),
        "该账户已结算至 {last}：下一张账单须从 {first} 开始，否则中间的日子永远不会出账",
    ),
    (
        (
            r"the account is billed from (?P<first>\S+) on: an earlier statement ends on (?P<last>\S+), "
            r"or the days between would never be billed"
        ),
        "该账户自 {first} 起已结算：更早的账单须在 {last} 结束，否则中间的日子永远不会出账",
    ),
    (
        (
            r"meter (?P<meter>\d+): statement (?P<number>\d+) ended at (?P<last>\S+) of register "
            r"(?P<register>\S+) and this one would begin at (?P<first>\S+); .*"
        ),
        (
            "电表 {meter}：账单 {number} 的 {register} 止于 {last}，而本账单将从 {first} 开始；"
            "请先更正账单 {number} 的示值"
        ),
    ),
    (
        r"statement (?P<number>\d+) carries on from this one; .*",
        "账单 {number} 接续本账单；请先作废它，或由下一张账单更正",
    ),
    (
        r"account (?P<number>\S+) is billed in (?P<known>[A-Z, ]+); an account has one currency",
        "账户 {number} 以 {known} 结算；一个账户只用一种货币",
    ),
    (
        (
            r"from (?P<first>\S+) to (?P<last>\S+) there are prices in (?P<one>\w+) and in (?P<more>.*); "
            r"bill the days of each by themselves"
        ),
        "{first} 至 {last} 间有 {one} 和 {more} 两种货币的电价；请分段出账",
    ),
    (r"(?P<day>\d{4}-\d\d-\d\d) is not over yet", "{day} 尚未结束"),
    (r"say why the statement is cancelled: .*", "请说明作废理由：用户会询问"),
    (r"statement (?P<number>\d+) was cancelled before", "账单 {number} 已作废"),
    (
        r"the account has no tariff on (?P<day>\S+); give it one first",
        "该账户在 {day} 没有电价；请先指定",
    ),
    (r"no version of the tariff is in force on (?P<day>\S+)", "{day} 没有生效的电价版本"),
    (
        r"tariff (?P<code>.*): statements up to (?P<day>\S+) stand on what held until now; .*",
        "电价 {code}：截至 {day} 的账单以现行版本为依据；新版本请从该日之后开始，或先作废这些账单",
    ),
    (
        r"there is no tariff (?P<code>.*); known are (?P<known>.*)",
        "没有电价 {code}；已有：{known}",
    ),
    (
        r"the account is billed up to (?P<day>\S+); begin after that day",
        "该账户已结算至 {day}；请从该日之后开始",
    ),
    (r"a payment is above nought; .*", "缴费金额须大于零；退回请用调整"),
    (r"say why: the note stays with the entry", "请说明理由：说明将与该笔记录一并保存"),
    (r"(?P<amount>\S+) is no amount of money in whole cents", "{amount} 不是以分为单位的金额"),
    (
        r"a reference of 1 to 100 characters, such as the number of the receipt",
        "请填写 1 至 100 个字符的凭证号，例如收据号",
    ),
    (
        r"reference '(?P<reference>.*)' stands for (?P<amount>\S+) already",
        "凭证号 {reference} 已用于 {amount}",
    ),
    (r"this is no tariff: (?P<why>.*)", "电价有误：{why}"),
)
"""Pattern of the English words and the Chinese ones, with the names of the pattern filled in."""
