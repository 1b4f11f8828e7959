"""Chinese words for requests that cannot be served, and for what the store refuses; a test holds every one to its English origin."""

from kwhub.headend.web.audit_words import SUBJECTS

__all__ = ["DECODER", "REQUESTS", "THINGS"]

REQUESTS = (
    ("number {number}", "编号 {number}"),
    ("exchange of meter {number}", "电表 {number} 的换表记录"),
    ("hole", "缺口"),
    ("books", "售电账本"),
    ("no rows named {name}; known are {known}", "没有名为 {name} 的数据；可用的有：{known}"),
    ("there is no account {number}", "没有账户 {number}"),
    ("there is no statement {number}", "没有账单 {number}"),
    ("there is no meter {number}", "没有电表 {number}"),
    ("day: between {first} and {last}", "日期须在 {first} 与 {last} 之间"),
    ("from, to: between {first} and {last}", "起止时间须在 {first} 与 {last} 之间"),
    (
        "to: after from, and at most {count} days after it",
        "截止时间须晚于开始时间，最多相隔 {count} 天",
    ),
    ("to: not before from, at most {count} days", "截止日期不得早于开始日期，最多 {count} 天"),
    (
        "from, to: RFC 3339 with offset, such as 2026-03-01T00:00:00Z",
        "起止时间须为带时区的 RFC 3339 格式，例如 2026-03-01T00:00:00Z",
    ),
    ("interval: one of {known}", "间隔只能是：{known}"),
    ("format: one of {known}", "格式只能是：{known}"),
    ("label: start or end", "时标只能是 start 或 end"),
    ("register: {why}", "数据项：{why}"),
    ("{text} is no register of the catalogue; {why}", "目录中没有数据项 {text}；{why}"),
    ("{text} is no register; {why}", "{text} 不是数据项；{why}"),
    ("did you mean {text}?", "是否指 {text}？"),
    ("try an OBIS code such as {text}", "请填写 OBIS 代码，例如 {text}"),
    ("cursor: not one that this server gave out", "游标不是本服务器给出的"),
    ("cannot sort by {name}; known are {known}", "不能按 {name} 排序；可用的有：{known}"),
    (
        "at most {count} points, and an interval of at least a second",
        "最多 {count} 个点，间隔至少一秒",
    ),
    (
        "the wide form needs a spacing that divides the day, such as 900 s",
        "横表的间隔须能整除一天，例如 900 秒",
    ),
    (
        "{day} has {hours} hours; the wide form has 24, take the long form",
        "{day} 有 {hours} 小时；横表只有 24 小时，请用长表",
    ),
    # who may
    ("imports need the right in all organisations", "导入须有全部组织机构的权限"),
    ("tariffs are for all organisations", "电价适用于全部组织机构，须有全部组织机构的权限"),
    ("settings need the right in all organisations", "设置须有全部组织机构的权限"),
    ("the books are those of all organisations", "账本属于全部组织机构，须有全部组织机构的权限"),
    (
        "rules for all and for groups are for all organisations",
        "全局和分组的规则适用于全部组织机构，须有全部组织机构的权限",
    ),
    ("the form has run out; load the page again", "表单已失效；请重新载入页面"),
    ("too many requests", "请求过于频繁"),
    ("no text has the character 0 in it", "文字中不能有空字符"),
    ("end is arrived or cancelled", "核定结果只能是已到表或已撤销"),
    (
        "nothing is sold from here: the settings have no [vending]",
        "本主站不售电：设置中没有 [vending] 表",
    ),
    # what was typed in
    ("{text} is no moment", "{text} 不是时间"),
    ("{text} is no number such as 104.25", "{text} 不是 104.25 这样的数"),
    ("{value} cannot be stored exactly", "{value} 不能精确保存"),
    ("{value} is finer than money is kept", "{value} 的小数位数超出金额精度"),
    ("only aware moments are stored", "只保存带时区的时间"),
    ("no place for rows in {text}", "无处写入 {text}"),
    ("{text} is no head of a trail such as 12:9f86d0…", "{text} 不是 12:9f86d0… 这样的锚点"),
    # tariffs
    ("prices: at least one", "电价：至少一个"),
    ("prices: either total alone, or periods", "电价：或只有总电价，或分时段"),
    ("tiers: each bound once, the lower first", "阶梯：界限不得重复，由低到高"),
    ("schedule: wall times of whole minutes", "时段表：时间须为整分钟"),
    ("schedule: each time once, the earlier first", "时段表：时间不得重复，由早到晚"),
    ("schedule: the first slot begins at 00:00", "时段表：第一个时段须从 00:00 开始"),
    ("monthly_fee: from 0 on", "月固定费不小于 0"),
    ("prices.{period}: from 0 to 10000", "电价（{period}）：0 至 10000"),
    (
        "tiers: above_kwh from 0 on, and an adder in money for one kWh",
        "阶梯：起始电量不小于 0，加价为每千瓦时的金额",
    ),
    ("schedule: {period} has no price", "时段表：{period} 没有电价"),
    (
        "statement {number} is in {currency}, and its days in {other}",
        "账单 {number} 以 {currency} 计，而其日期以 {other} 计",
    ),
    ("reference {reference} stands for {amount} already", "凭证号 {reference} 已用于 {amount}"),
    ("{rule} has no bound {key}; it has: {known}", "规则 {rule} 没有界限 {key}；它有：{known}"),
    ("{method} does not fill the holes of a curve", "此方法（{method}）不能填补曲线的缺口"),
    # an import that was cut
    (
        "interrupted: the head-end stopped; nothing was changed",
        "已中断：主站停止；未作任何更改",
    ),
)
"""English as the code says it, with a name for each part that changes, and Chinese."""

DECODER = (
    ("Expected {wanted}, got {found} - at {place}", "{place}：应为 {wanted}，而不是 {found}"),
    ("Expected {wanted} - at {place}", "{place}：应为 {wanted}"),
    ("Expected {wanted}, got {found}", "应为 {wanted}，而不是 {found}"),
    ("Expected {wanted}", "应为 {wanted}"),
    ("Object missing required field `{tariff_field}`", "缺少 {tariff_field}"),
    ("Invalid enum value {text}", "没有“{text}”这个值"),
    ("{field}: Expected {wanted}, got {found}", "{field}：应为 {wanted}，而不是 {found}"),
    ("{field}: Expected {wanted}", "{field}：应为 {wanted}"),
)
"""What the decoder of forms and addresses (msgspec) says; as above."""

THINGS = SUBJECTS | {
    "edits": "修正",
    "finding": "发现",
    "key": "密钥",
    "method": "方法",
    "payment": "缴费单号",
    "rule": "规则",
}
"""What is named, with its number, where there is nothing."""
