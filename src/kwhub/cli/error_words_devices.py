"""Chinese for trouble with handhelds, links and meters; a test holds each to its English origin."""

__all__ = ["DEVICE_ROWS"]

DEVICE_ROWS: tuple[tuple[str, str], ...] = (
    # who the handheld is
    (
        r"this device is not enrolled yet; scan the code of its allocation",
        "设备尚未登记；请扫描分配码",
    ),
    (
        r"this device has no identity; enrol it with the code of its allocation",
        "设备没有身份；请用分配码登记",
    ),
    (
        r"this device was wiped; have it allocated again and enrol it",
        "设备已清除；请重新分配并登记",
    ),
    (
        r"this device is (.+) already; remove (.+) to begin anew, and have it allocated again",
        "设备已是 {0}；如需重新开始，请删除 {1} 并重新分配",
    ),
    (r"the key of this device is damaged; have it allocated again", "设备密钥已损坏；请重新分配"),
    (r"is damaged; enrol the device again", "已损坏；请重新登记设备"),
    (
        r"(.+) is not there: without this secret of the device no PIN opens it",
        "缺少 {0}：没有设备密钥，任何 PIN 都无法打开",
    ),
    (r"(.+) was changed, or was not sealed by this device", "{0} 已被更改，或不是本设备加封的"),
    (
        r"the first identity must be used before the next one is asked for",
        "须先使用当前身份，再申请下一个",
    ),
    (r"this is not the head-end that has allocated the device", "不是分配此设备的主站"),
    (
        r"the certificate of (.+) does not hold today: is the clock of this device right\?",
        "{0} 的证书今日无效：设备时钟是否正确？",
    ),
    (r"this is not the code of a device's allocation", "不是设备分配码"),
    # its PIN
    (r"wrong PIN; (\d+) tries are left", "PIN 错误；还可尝试 {0} 次"),
    (
        r"wrong PIN; it was the last try, all data on the device is gone",
        "PIN 错误；已达最大次数，设备数据已全部清除",
    ),
    (r"too many wrong PINs: wait (\d+) s", "PIN 错误次数过多：请等待 {0} 秒"),
    (r"a PIN has at least (\d+) characters", "PIN 至少 {0} 个字符"),
    (r"the two PINs differ", "两次输入的 PIN 不同"),
    (r"the vault is closed; the PIN opens it again", "设备已锁上；请输入 PIN"),
    (r"nobody has signed in", "尚未登录"),
    (
        r"the input ended before anything was typed: use --pin-file \(and --code\) where nobody is",
        "未输入任何内容；无人值守时请用 --pin-file（和 --code）",
    ),
    (r"(.+) is in use by this process: sign out first", "{0} 正被本进程使用：请先退出"),
    (
        r"(.+) is in use by another process: sign out there first",
        "{0} 正被另一进程使用：请先在该处退出",
    ),
    # its work
    (
        r"the screens need a terminal; 'kwhub handheld collect' needs none",
        "屏幕需要终端；kwhub handheld collect 不需要",
    ),
    (r"no area and no terminal is named (.+)", "没有名为 {0} 的台区或终端"),
    (r"the work cannot be kept: (.+)", "工单无法保存：{0}"),
    (r"the work on this device has rows of an unknown kind, (.+)", "本机工单含未知类型的数据 {0}"),
    (r"this is the work of (.+)", "这是 {0} 的工单"),
    (r"work (.+) is not on this device any more", "工单 {0} 已不在本机"),
    (r"meter (\S+) is not in work (.+)", "电能表 {0} 不在工单 {1} 中"),
    (r"no order goes with work (.+)", "工单 {0} 没有命令"),
    (r"a group needs a name and at least one meter", "分组须有名称和至少一只表"),
    (r"the clock was set back: connect to the head-end first", "时钟被回拨，请先连接主站"),
    (r"nothing allows (.+) at meter (\S+)", "电能表 {1} 没有 {0} 的授权"),
    (r"the time for (.+) at meter (\S+) is over", "电能表 {1} 的 {0} 授权已过期"),
    (r"(.+) at meter (\S+) is used up", "电能表 {1} 的 {0} 授权次数已用完"),
    (
        r"(.+) is no address of a collecting terminal: name it in the archive by its twelve digits",
        "{0} 不是采集终端地址：请在档案中填写其十二位数字",
    ),
    (r"no link is set; choose one in the settings", "未设置链路，请在设置中选择"),
    (r"the head-end does not answer", "主站无应答"),
    # screens
    (
        r"the screen needs a terminal; --json prints what it would show",
        "屏幕需要终端；--json 可打印其内容",
    ),
    (
        r"the screen is drawn through standard error: leave it on the terminal",
        "屏幕经标准错误输出显示：请勿重定向",
    ),
    (r"(.+): no concentrator answers \((.+)\)", "{0}：集中器无应答（{1}）"),
    (r"the concentrator has hung up", "集中器已断开"),
    # links and meters
    (r"the meter does not answer", "电能表无应答"),
    (r"meter (\S+) is silent", "电能表 {0} 无应答"),
    (r"no answer from meter (\S+)", "电能表 {0} 无应答"),
    (r"no such data", "没有此数据"),
    (r"closed by the other side", "对方已断开"),
    (r"closed by this side", "本方已关闭"),
    (r"the link is closed", "链路已关闭"),
    (r"the link went down while writing", "发送时链路断开"),
    (r"not connected within (\S+) s", "{0} 秒内未能连接"),
    (
        r"no meter said its address \(there is none, or several answered at once; .+\)",
        "没有电能表应答地址（没有电能表，或多只同时应答；请用 --meter 指定，或用 kwhub scan 查找）",
    ),
    (r"(.+) is no meter address: it has up to (\d+) digits", "{0} 不是表地址：最多 {1} 位数字"),
    (r"--csv or --json, not both", "--csv 与 --json 只能选一个"),
    (r"unknown protocol (.+); there are (.+)", "未知规约 {0}；有 {1}"),
    (r"(.+) is no register of the catalogue", "{0} 不是已知的寄存器"),
)
"""Pattern of the whole English text, and the Chinese with ``{0}`` for its groups."""
