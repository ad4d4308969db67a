"""Words that a hostile service or a hostile file could send. Each sets `window.__nbkit_pwned`, or asks another host."""

from __future__ import annotations

ATTACKS = [
    "<script>window.__nbkit_pwned=1</script>",
    "<img src=x onerror=window.__nbkit_pwned=1>",
    "<svg/onload=window.__nbkit_pwned=1>",
    "javascript:window.__nbkit_pwned=1",
    "JAVASCRIPT&colon;window.__nbkit_pwned=1",
    '" onmouseover="window.__nbkit_pwned=1',
    "' onfocus='window.__nbkit_pwned=1' autofocus='",
    "</td></tr></table></div><iframe src=//evil.example></iframe>",
    "</pre></details><style>body{display:none}</style>",
    "</summary><base href=//evil.example>",
    "</textarea></title><img src=x onerror=window.__nbkit_pwned=1>",
    "</script><script>window.__nbkit_pwned=1</script>",
    "<!--",
    "<![CDATA[",
    "[x](javascript:window.__nbkit_pwned=1) ![x](x) **x** `x`",
    "&lt;script&gt;window.__nbkit_pwned=1&lt;/script&gt;",
    "data:text/html;base64,PHNjcmlwdD53aW5kb3cuX19uYmtpdF9wd25lZD0xPC9zY3JpcHQ+",
    "\x1b]8;;http://evil.example\x07click\x1b]8;;\x07",
    "\u202egnp.exe",
    "\ud800<b>",
    "{{constructor.constructor('window.__nbkit_pwned=1')()}}",
]
