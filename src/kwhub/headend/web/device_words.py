"""Chinese words for what is refused about handhelds and their work; a test holds every one to its English origin."""

__all__ = ["DEVICES"]

DEVICES = (
    ("this head-end has no table [devices] in its settings", "本主站的设置中没有 [devices] 表"),
    ("there is no device {name}; 'kwhub headend device list' shows all", "没有手持终端 {name}"),
    ("there is no device {name}", "没有手持终端 {name}"),
    ("{name} was retired; allocate a new device", "{name} 已永久停用；请分配新设备"),
    ("{name} was retired", "{name} 已永久停用"),
    (
        (
            "{name} was reported lost: it is kept out and told to wipe itself; "
            "allocate it again when it is found"
        ),
        "{name} 已挂失：已拒绝其进入，并要求其清除数据；找回后请重新分配",
    ),
    (
        "{name} is {device_state}: it can be given nothing",
        "{name} {device_state}，不能下达任何内容",
    ),
    (
        "model, serial number and owner have at most {count} characters",
        "型号、编号和持有人最多 {count} 个字符",
    ),
    ("{area} is no area in which you handle devices", "{area} 不是您可管理手持终端的台区"),
    ("{text} is none of {known}", "没有“{text}”；可用的有：{known}"),
    ("a reason has at most {count} characters", "原因最多 {count} 个字符"),
    ("generation {number} was used again", "第 {number} 代证书被再次使用"),
    # rounds
    ("choose at least one meter", "请至少选择一块表"),
    ("one work order has at most {count} meters", "一张工单最多 {count} 块表"),
    ("a device may be allowed {known}", "可授予设备的操作有：{known}"),
    ("each right is used 1 to {most} times", "每项权限可用 1 至 {most} 次"),
    ("work holds 1 to {most} hours", "工单的有效期为 1 至 {most} 小时"),
    ("a note has at most {count} characters", "备注最多 {count} 个字符"),
    ("{text} is no number that fits here", "此处不能填写 {text}"),
    (
        "the archive has no active meter {meters} where you have {right}",
        "您有“{right}”权限的范围内没有在用电表 {meters}",
    ),
    (
        "the archive has no active terminal {name} where you have {right}",
        "您有“{right}”权限的范围内没有在用终端 {name}",
    ),
    ("the archive has no active meter {meters}", "档案中没有在用电表 {meters}"),
    (
        "area {area} has no active meters; name another, or single meters",
        "台区 {area} 没有在用电表；请另选台区或单表",
    ),
    ("the archive has no active terminal that is named {name}", "档案中没有名为 {name} 的在用终端"),
    ("there is no work {number}", "没有工单 {number}"),
    (
        "work needs at least one meter, and a grant at least one use",
        "工单至少须有一块表，授权至少一次",
    ),
    ("work {number} is not there: it cannot be recalled", "没有工单 {number}，无法撤回"),
    (
        "work {number} is {work_state}: it cannot be recalled",
        "工单 {number} {work_state}，不能撤回",
    ),
    # orders that a handheld carries
    (
        "an order has 1 to {most} minutes, not {count}",
        "命令的期限为 1 至 {most} 分钟，而不是 {count}",
    ),
    ("an order has at least a minute", "命令的期限至少一分钟"),
    (
        "order {number} does not wait for an approval: it is {work_state}",
        "命令 {number} 不在等待审批（{work_state}）",
    ),
    (
        "order {number} is over or not there: it cannot be recalled",
        "命令 {number} 已结束或不存在，不能撤回",
    ),
    (
        "recalled after it was begun: look at the meter, then order anew",
        "开始执行后被撤回：请查看电表，再重新下令",
    ),
    (
        "interrupted: the head-end was started again; look at the meter, then order anew",
        "已中断：主站重新启动；请查看电表，再重新下令",
    ),
    (
        (
            "interrupted: the device began anew when the meter may have obeyed; "
            "look at the meter, then order anew"
        ),
        "已中断：电表可能已执行而设备重新开始；请查看电表，再重新下令",
    ),
    (
        "its time was over after it was begun; look at the meter, then order anew",
        "开始执行后超过期限；请查看电表，再重新下令",
    ),
    ("{operation} has no detail", "“{operation}”不填内容"),
    ("keys wants the version of the new keys as its detail", "密钥更新须填写新密钥的版本"),
    (
        "{operation}: this head-end has no master crypto to seal orders with",
        "“{operation}”：本主站没有加密机，不能签发命令",
    ),
    (
        "{operation}: write_password_file is not set in [orders]",
        "“{operation}”：[orders] 中未设置 write_password_file",
    ),
    (
        "nothing here may write to terminals: set write_password_file in the table [orders]",
        "本主站不能写终端：请在 [orders] 表中设置 write_password_file",
    ),
    (
        "nothing here seals orders: set root_key in the table [devices]",
        "本主站不能签发命令：请在 [devices] 表中设置 root_key",
    ),
    (
        "{operation} {text} is no order; known are {known}",
        "没有命令“{operation}”{text}；可用的有：{known}",
    ),
    (
        "a parameter is its identifier and its value in hexadecimal",
        "参数须填写标识和数值，均为十六进制",
    ),
    (
        (
            "{operation} wants channel, imp/kWh, largest current, voltage, phases, debounce in ms: "
            "3 1600 60 220 1 2"
        ),
        "“{operation}”须填写：通道号 脉冲常数 最大电流 电压 相数 去抖毫秒数，例如 3 1600 60 220 1 2",
    ),
    (
        "{operation} wants a channel and its reading in kWh: 3 123.45",
        "“{operation}”须填写：通道号 示数（kWh），例如 3 123.45",
    ),
    (
        "{operation} wants 1 to {most} times as MMDDhhmm, 99 is every: 99990000",
        "“{operation}”须填写 1 至 {most} 个时间（MMDDhhmm，99 表示任意），例如 99990000",
    ),
    (
        "the terminal does not show what was written: {verdict}",
        "终端读回与写入不一致（{verdict}）",
    ),
)
"""English as the code says it, with a name for each part that changes, and Chinese."""
