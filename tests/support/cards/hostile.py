"""Hold hostile texts, and check that nothing active is left of them in an answer."""

import re

EVIL = [
    "@everyone",
    "<@&123456789012345678>",
    "`@here` <#1>",
    "```\n@everyone\n```",
    "**x** [click](https://evil.example) ||s||",
    "\u202egnp.exe\u2066",
    "</start:1> <t:0:R> <:x:1> <a:x:1>",
    "# head\n> quote\n-# small",
    "a" * 500,
    "\u200b\u200d\ufeff",
]
ACTIVE = re.compile(
    r"@everyone|@here|<@[!&]?\d+>|<#\d+>|</|<t:0|<a?:\w+:|https?://|\]\(|\|\||\*\*x\*\*|[\u202a-\u202e\u2066-\u2069]"
)

HIDDEN = re.compile(r"[\u202a-\u202e\u2066-\u2069\u200b\u200d\ufeff]")


def harmless(text: str, asker: int, channel: int | None = None) -> None:
    """Check that nothing active is left in the text.

    Code spans and blocks, in which nothing works, are removed first, as are the asker's own mention and the
    channel that the audit names.
    """
    assert text.count("```") % 2 == 0
    bare = re.sub(r"```.*?```", "", text, flags=re.S)
    bare = re.sub(r"`[^`\n]*`", "", bare).replace(f"<@{asker}>", "").replace(f"<#{channel}>", "")
    assert "`" not in bare
    assert not ACTIVE.search(bare), bare
    assert not HIDDEN.search(text)
    assert not re.search(r"^(# head|> quote)", bare, re.M)
