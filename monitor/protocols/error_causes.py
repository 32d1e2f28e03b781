"""What an error is about: tables of status codes, of names and of words in messages, in the order of their use."""

from __future__ import annotations

import re
from collections.abc import Mapping

from monitor.stream.events import Fault

STATUS: Mapping[str, Fault] = {
    "401": Fault.AUTH, "402": Fault.QUOTA, "403": Fault.AUTH, "404": Fault.NOT_FOUND, "408": Fault.UPSTREAM,
    "410": Fault.NOT_FOUND, "429": Fault.RATE_LIMITED, "498": Fault.OVERLOADED, "502": Fault.UPSTREAM,
    "503": Fault.OVERLOADED, "504": Fault.UPSTREAM, **dict.fromkeys(map(str, range(520, 528)), Fault.UPSTREAM),
    "529": Fault.OVERLOADED,
}  # fmt: skip
"""The cause for a code that is an HTTP status; Groq's 498 means no capacity, Cloudflare's 52x are of the origin."""

NAMES: tuple[tuple[Fault, str], ...] = (
    (
        Fault.CONTEXT_LENGTH,
        r"""
        context_(length|window|size)
        exceed_context
        max_context
        (prompt|input|string)_(is_)?too_(long|large)
        (request|payload)_too_large
        tokens_limit_reached
        string_above_max
        max_(input_)?tokens_exceeded
        """,
    ),
    (
        Fault.RATE_LIMITED,
        r"""
        throttl
        """,
    ),
    (
        Fault.QUOTA,
        r"""
        quota
        billing
        insufficient_(balance|credits?|funds)
        balance_(insufficient|not_enough)
        budget
        arrear
        overdue
        payment
        credits?_(exhausted|limit)
        spend(ing)?_limit
        usage_limit
        """,
    ),
    (
        Fault.RATE_LIMITED,
        r"""
        rate_?limit
        too_many_requests
        resource_exhausted
        concurren
        burst
        (rpm|tpm|qps)_?
        requests?_limit
        """,
    ),
    (
        Fault.OVERLOADED,
        r"""
        overload
        unavailable
        capacity
        busy
        no_available
        not_ready
        loading
        queue_full
        """,
    ),
    (
        Fault.AUTH,
        r"""
        authenticat
        unauthori[sz]ed
        permission
        forbidden
        access_denied
        (invalid|incorrect|missing)_(api_?key|token|key)
        api_?key
        credential
        """,
    ),
    (
        Fault.NOT_FOUND,
        r"""
        not_found
        no_such
        not_exist
        unknown_model
        invalid_model
        model_not_supported
        """,
    ),
    (
        Fault.UPSTREAM,
        r"""
        upstream
        time_?d?_?out
        deadline_exceeded
        gateway
        connect
        bad_response
        do_request_failed
        provider_error
        stream_(error|interrupted|read)
        socket
        ^e?conn(reset|refused)
        ^epipe
        """,
    ),
)
"""Types and codes, as words joined by underscores: a pattern a line. AWS and Alibaba throttle by what they call
quotas."""

_STATUS_WORD = r"\b(?:status|code|error|http)(?:[ _]?(?:status|code))*(?:/\d(?:\.\d)?)?[\W_]{0,3}"
"""What precedes a status in a message (`STATUS` in the table), so that no other number is mistaken for one."""

WORDS: tuple[tuple[Fault, str], ...] = (
    (
        Fault.CONTEXT_LENGTH,
        r"""
        context[_ -]?(length|window|size|limit)
        exceed_context
        available context
        max(imum)?[_ -](context|model[_ -]len|seq|sequence|prompt|input)
        \bmax_(model|seq)_len
        \bn_ctx\b
        exceeds? the .*context
        \b(prompt|inputs?|messages?|conversation|text|request body|history)( \S+){0,4} (is |are |was )?too (long|large)
        request (body )?too large for .*tokens
        token count .*exceed
        must have less than \d+ tokens
        tokens \+ `max_new_tokens`
        longer than the (maximum|max|model|context|allowed)
        larger than (the )?(kv cache|context)
        exceeds? .{0,20}kv cache
        tokens? in the (prompt|input|messages|request) (cannot|can't|must not|may not|exceed)
        exceeds? (the |its |model'?s? |our )*max(imum)? .{0,30}(tokens|length)
        (prompt|input)( \S+){0,5} exceeds?( \S+){0,4} (tokens|length|limit|max)
        too many (input|prompt) tokens
        too many tokens (in|for)
        reduce (the |your )?(length|size) of
        range of input length
        上下文
        (输入|提示词?|文本|内容|prompt|消息|messages).{0,12}(过长|太长|超长|超过|超出)
        (最大|长度).{0,8}(限制|上限)
        tokens?.{0,12}(超过|超出)
        """,
    ),
    (
        Fault.QUOTA,
        r"""
        insufficient[_ ](user[_ ])?(quota|balance|credits?|funds?)
        \bquotas?\b
        _quota
        credit balance
        out of credits?
        (more|enough|no|purchase|buy|add) ([a-z]+ )?credits?\b
        payment[_ ]required
        budget.{0,20}exceed
        exceed.{0,30}budget
        \bbilling\b
        account .{0,20}(not active|overdue|in arrears|suspended)
        arrear
        overdue
        good standing
        can only afford
        spend(ing)?[_ ](limit|cap)
        usage limit
        balance.{0,20}(insufficient|not enough|too low|exhausted|negative)
        trial .{0,10}(expired|ended)
        额度
        余额
        欠费
        充值
        配额
        限额
        资源包
        套餐
        """,
    ),
    (
        Fault.RATE_LIMITED,
        r"""
        rate[_ -]?limit
        too many (concurrent |parallel )?(requests|tokens)
        throttl
        resource[_ ](has been )?exhausted
        (requests?|tokens?|queries|calls) per (second|minute|min|hour|day)\b
        \b([rt]p[ms]|qps|[rt]pd)\b
        request limit reached
        concurren\w* .{0,30}(limit|exceed|too)
        (limit|exceed|too)\w* .{0,30}concurren
        slow down
        STATUS429\b
        频率
        频繁
        限流
        限速
        并发
        速率
        请求过多
        调用次数
        请求(数|次数)?(量)?(超|过)
        每分钟
        """,
    ),
    (
        Fault.OVERLOADED,
        r"""
        overload
        unavailable
        \bcapacity\b
        \b(too )?busy\b
        (high|heavy) (demand|load|traffic|volume)
        queue (is )?full
        maximum pending
        no (deployment|channel|worker|instance|replica|backend|slot|endpoint|provider)s?( \S+)? (available|found|ready)
        no (available|healthy) (deployment|channel|worker|instance|replica|backend|slot|endpoint)
        loading model
        (is|still) (currently )?(loading|starting|warming)
        not ready\b
        STATUS(503|529)\b
        繁忙
        过载
        负载
        访问量(过|太)大
        拥挤
        资源不足
        无可用
        排队
        请稍后再?试
        """,
    ),
    (
        Fault.AUTH,
        r"""
        authenticat
        unauthori[sz]ed
        not authori[sz]ed
        permission
        forbidden
        access denied
        credential
        did ?n[o']t provide an api key
        (invalid|incorrect|expired|missing|wrong)[_ ]((\w+ )?api[_ -]?|access[_ -]|auth\w*[_ -])?(key|token)\b
        api[_ -]?key.{0,20}(not valid|invalid|expired|missing|required|disabled|incorrect)
        token.{0,10}(expired|is invalid)
        STATUS40[13]\b
        无效的(令牌|密钥|api|key|token)
        (令牌|密钥|key|token).{0,8}(无效|过期|错误|不正确|失效|禁用)
        未授权
        无权
        没有权限
        权限
        鉴权
        认证
        身份验证
        """,
    ),
    (
        Fault.NOT_FOUND,
        r"""
        not[_ ]found
        no such
        does(n't| not) exist
        unknown model
        not a valid model
        invalid model
        (model|deployment|engine)\b.{0,60}(not (supported|deployed|served)|unsupported|retired|decommissioned)
        try pulling it
        STATUS404\b
        不存在
        未找到
        找不到
        不支持.{0,6}模型
        模型.{0,12}(下线|不支持)
        """,
    ),
    (
        Fault.UPSTREAM,
        r"""
        upstream
        connect
        peer closed
        incomplete (chunked )?read
        payload is not completed
        gateway
        \beof\b
        broken pipe
        runner process
        socket
        premature(ly)? clos
        \be(conn\w+|timedout|pipe|hostunreach|notfound|ai_again)\b
        context (deadline exceeded|cancell?ed)
        deadline (exceeded|expired)
        stream error
        http2:
        goaway
        rst_stream
        dial tcp
        time[ds]?[ -]?out
        reset by peer
        no route to host
        unreachable
        fetch failed
        ^terminated$
        provider returned
        provider error
        remoteprotocolerror
        remote end closed
        closed the stream
        do request failed
        bad[_ ]response
        \bError code: 5\d\d
        STATUS50[24]\b
        STATUS52[0-7]\b
        上游
        超时
        网关
        连接.{0,6}(失败|断开|重置|错误|异常|中断)
        网络.{0,4}(错误|异常|失败|中断)
        """,
    ),
)
"""Messages: context before quota before rate, for who is out of credits is limited too. `Error code: 5xx` is what
openai's client says of an answer from the server that it asked, so of an upstream."""


def _compiled(table: tuple[tuple[Fault, str], ...]) -> tuple[tuple[Fault, re.Pattern[str]], ...]:
    lines = ((fault, (line.strip() for line in patterns.strip().splitlines())) for fault, patterns in table)
    joined = ((fault, "|".join(patterns).replace("STATUS", _STATUS_WORD)) for fault, patterns in lines)
    return tuple((fault, re.compile(pattern, re.IGNORECASE)) for fault, pattern in joined)


_BY_NAMES, _BY_WORDS = _compiled(NAMES), _compiled(WORDS)
_URL = re.compile(r"https?://\S+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LONGEST = 4000
"""The most characters of a message that are examined."""


def fault_of(message: str, kind: str | None = None, code: str | None = None) -> Fault:
    """Return the cause of an error: by its type and code, then by its status code, then by its message."""
    name = " ".join(_HUMP.sub("_", word[:100]) for word in (kind, code) if word)
    name = re.sub(r"[.\-: ]+", "_", name).casefold()
    if name and (found := next((fault for fault, pattern in _BY_NAMES if pattern.search(name)), None)):
        return found
    for status in (code, message.strip()):
        if status is not None and status in STATUS:
            return STATUS[status]
    words = _URL.sub("", message[:_LONGEST])
    return next((fault for fault, pattern in _BY_WORDS if pattern.search(words)), Fault.OTHER)
