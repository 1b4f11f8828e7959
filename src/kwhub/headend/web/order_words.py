"""Chinese words for what orders and tasks refuse, and for what became of them; a test holds every one to its English origin."""

__all__ = ["ORDERS", "OUTCOMES"]

ORDERS = (
    ("there is no order {number}", "没有命令 {number}"),
    (
        "order {number} does not wait for an approval: {order_state}",
        "命令 {number} 不在等待审批（{order_state}）",
    ),
    ("a second person must approve: not the one who has ordered", "须由下令人以外的人审批"),
    ("the time of order {number} is over: order anew", "命令 {number} 已过期：请重新下令"),
    (
        "order {number} cannot be taken back: it is {order_state}",
        "命令 {number} 不能撤销（{order_state}）",
    ),
    ("an order names at least one register", "命令至少须选择一个数据项"),
    ("registers: {register} cannot be read from this meter", "不能从此表召测 {register}"),
    ("registers: at most {count} in one order", "一条命令最多 {count} 个数据项"),
    ("there is no active meter {number}", "没有在用电表 {number}"),
    ("there is no active terminal {number}", "没有在用终端 {number}"),
    ("{kind} is an order to a terminal", "“{kind}”是对终端的命令"),
    ("{kind} is an order to a meter", "“{kind}”是对电表的命令"),
    ("a key has at most {count} characters", "Idempotency-Key 最多 {count} 个字符"),
    ("Idempotency-Key: used before for another order", "Idempotency-Key 已用于另一条命令"),
    ("Idempotency-Key: used before for another task", "Idempotency-Key 已用于另一个任务"),
    (
        "{count} orders are waiting for this terminal; try again later",
        "该终端已有 {count} 条命令待执行；请稍后再试",
    ),
    ("this order is not for a meter", "此命令不能对电表下达"),
    ("this order is not for a terminal", "此命令不能对终端下达"),
    ("not JSON: {why}", "不是 JSON：{why}"),
    # trips
    ("no trip: the order is {order_state}", "不予跳闸：命令状态为“{order_state}”"),
    (
        "no trip: the archive has no active meter with this address",
        "不予跳闸：档案中没有此地址的在用电表",
    ),
    (
        "no trip: the hour's budget of trips is used up, of this person or of this area",
        "不予跳闸：此人或此台区本小时的跳闸额度已用完",
    ),
    ("no trip: {why}", "不予跳闸：{why}"),
    ("protected supply", "受保护的供电用户"),
    ("unknown area", "台区未知"),
    ("an order for this meter is open", "此表已有未完成的命令"),
    ("it may be cancelled until {time}", "{time} 之前仍可撤销"),
    # tasks
    ("there is no task {number}", "没有任务 {number}"),
    (
        "nobody is meant: no active meter or terminal is in what was chosen",
        "没有对象：所选范围内没有在用电表或终端",
    ),
    ("{count} orders; one task has at most {most}", "共 {count} 条命令；一个任务最多 {most} 条"),
    ("{kind}: each needs an order of its own", "“{kind}”须逐个下令"),
    (
        "task {number} is {task_state}, not {task_state_2}",
        "任务 {number} 的状态是“{task_state}”，不是“{task_state_2}”",
    ),
    ("task {number} is over: {task_state}", "任务 {number} 已结束（{task_state}）"),
    ("{text}: a meter's address has twelve digits", "{text}：表地址为十二位数字"),
    (
        "{text}: no active meter has this address ({count} in all)",
        "{text}：没有此地址的在用电表（共 {count} 个）",
    ),
    ("{kind} needs the right {right}", "“{kind}”须有“{right}”权限"),
    ("the task goes beyond the areas where you may order", "此任务超出您可下令的台区"),
    # files
    ("a file has 1 to {most} bytes, not {count}", "文件须为 1 至 {most} 字节，而不是 {count}"),
    (
        "there is no file {digest}; send it to the head-end first",
        "没有文件 {digest}；请先上传到主站",
    ),
)
"""English as the code says it, with a name for each part that changes, and Chinese."""

OUTCOMES = (
    ("the terminal is not connected", "终端未连接"),
    ("the terminal is offline", "终端未连接"),
    ("the terminal did not answer", "终端没有应答"),
    ("the terminal went away", "终端断开"),
    ("the head-end stops", "主站停止"),
    ("silent for {seconds} s", "终端 {seconds} 秒没有报文"),
    ("no log-in in {seconds} s", "终端 {seconds} 秒内没有登录"),
    ("the terminal answered without the forwarded data", "终端的应答中没有转发的数据"),
    (
        "the terminal answered something else than its missing values",
        "终端应答的不是其缺失的数据",
    ),
    ("the terminal answered something else than its event counters", "终端应答的不是其事件计数器"),
    ("{address}: the link is closed", "{address}：链路已关闭"),
    ("{address}: the link went down while writing", "{address}：发送时链路中断"),
    ("the meter is not behind this terminal any more", "该表已不在此终端下"),
    ("the archive has no meter for this terminal", "档案中此终端下没有电表"),
    ("the store did not take it: {why}", "数据库未能写入：{why}"),
    ("the outcome was not written: {why}", "结果未能写入：{why}"),
    (
        "interrupted: the head-end stopped before the answer was written",
        "已中断：主站在写入应答之前停止",
    ),
    ("{got} of {count} registers", "共 {count} 个数据项，取得 {got} 个"),
    ("the meter has no value", "电表没有此值"),
    ("the meter did not answer", "电表没有应答"),
    ("not a number: {text}", "不是数值：{text}"),
    # values that are missing
    ("{count} x {hole_cause} ({hole_state})", "{count} 个：{hole_cause}（{hole_state}）"),
    ("the terminal misses nothing, and did not give it", "终端称没有缺失，但未给出"),
    ("the terminal does not tell why", "终端未说明原因"),
    # changes of meters and terminals
    ("the meter's clock is right", "电表时钟已校准"),
    ("the terminal's clock is right", "终端时钟已校准"),
    (
        "no clock is put right near midnight: a day's freeze would be taken twice",
        "临近零点不校时：否则会重复日冻结",
    ),
    (
        "the clock is too far off for order 08: write_password_file is not set",
        "时钟偏差超出广播校时范围，而未设置 write_password_file",
    ),
    (
        "no relay is switched from here: neither relay_password_file nor root_key is set",
        "本主站不能控制继电器：未设置 relay_password_file 或 root_key",
    ),
    (
        "relays of DL/T 645-1997 meters cannot be ordered",
        "DL/T 645-1997 电表的继电器不能控制",
    ),
    (
        "identifier: {count} hexadecimal digits for this meter",
        "此表的数据标识为 {count} 位十六进制数",
    ),
    (
        "meters are not written from here: write_password_file is not set",
        "本主站不能写电表：未设置 write_password_file",
    ),
    ("the terminal has agreed; it was not read back", "终端已确认；未读回核对"),
    ("the terminal shows it", "终端读回一致"),
    ("the terminal has agreed, and tells it otherwise", "终端已确认，但读回不一致"),
    (
        "sent before the head-end stopped, without an answer; the meter shows that it is done",
        "主站停止前已下发，未收到应答；电表显示已执行",
    ),
    (
        (
            "sent before the head-end stopped, without an answer; the meter shows that it is not; "
            "it was not sent again"
        ),
        "主站停止前已下发，未收到应答；电表显示未执行；未再次下发",
    ),
    ("the meter shows it", "电表显示已执行"),
    ("the meter has agreed; nothing shows whether it is so", "电表已确认；无从核对是否执行"),
    ("told; nobody answers", "已广播；无需应答"),
    ("ordered; the meter waits with it", "已下令；电表尚待执行"),
    ("the meter has agreed, and shows that it is not so", "电表已确认，但显示未执行"),
    ("the meter has refused; nothing has changed", "电表拒绝；没有变化"),
    ("the meter has refused, and has changed all the same", "电表拒绝，但仍有变化"),
    ("ordered, no answer, and no sign that it was done", "已下令，没有应答，也未见执行"),
    ("the meter has refused; nothing has changed: {why}", "电表拒绝，没有变化：{why}"),
    (
        "the meter has refused, and has changed all the same: {why}",
        "电表拒绝，但仍有变化：{why}",
    ),
    (
        "ordered, no answer, and no sign that it was done: {why}",
        "已下令，没有应答，也未见执行：{why}",
    ),
    (
        "the meter has agreed, and shows that it is not so: {why}",
        "电表已确认，但显示未执行：{why}",
    ),
    ("{count} points differ", "{count} 个测量点不一致"),
    ("{count} meters, as in the archive", "{count} 只电表，与档案一致"),
    ("{count} settings differ", "{count} 项设置不一致"),
    ("{count} segments, {size} bytes", "{count} 段，{size} 字节"),
    ("the terminal refuses the file", "终端拒绝此文件"),
    (
        "the terminal tells of segment {taken}, not of {number}",
        "终端应答的是第 {taken} 段，而不是第 {number} 段",
    ),
    # what protocols say
    ("denied", "终端否认"),
    ("no such data", "无请求数据"),
    ("no answer", "没有应答"),
    ("no answer from meter {meter}", "电表 {meter} 没有应答"),
    ("meter {meter} is silent", "电表 {meter} 没有应答"),
    (
        "the clock is {seconds} s off: a meter takes at most {most} s",
        "时钟偏差 {seconds} 秒：电表最多接受 {most} 秒",
    ),
    ("no clock is adjusted within {seconds} s of midnight", "零点前后 {seconds} 秒内不校时"),
    (
        "this master crypto {what}: no guard stands before it",
        "加密机前没有监护程序，不予执行（{what}）",
    ),
)
"""What became of an order; as above."""
