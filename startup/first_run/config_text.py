"""Write the text of config.py: config.py.example with the answers in it, and the notes of one language only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from adapters.settings.load import Language
from adapters.settings.table import SITE_ROWS, names_of

_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_SETTING = re.compile(r"(?:# )?([A-Z][A-Z_]+) = ")
_OF_CLUSTER = frozenset(names_of(SITE_ROWS))
_EXAMPLE = re.compile(r"#(?:$| {2,}|\s[A-Z_]+ = )")
"""A comment that belongs to both languages: an empty one, an example, or a setting that is commented out."""


def config_text(template: str, settings: Mapping[str, object], language: Language) -> str:
    """Return the text. `template`: config.py.example; without it there are no notes.

    The first lines of the template are about copying it, and are left out. If a secret is in a file, its line is left
    out, too. The setting for the file is a comment in the template, and its answer replaces this comment.
    """
    left, lines = dict(settings), list[str]()
    body = template.partition("\n#\n")[2] or template
    if "SITES" in settings:
        body = "\n\n".join(part for part in body.split("\n\n") if not _is_of_cluster(part))
    for line in body.splitlines():
        name = found[1] if (found := _SETTING.match(line)) else ""
        if name in left:
            lines.append(_assignment(name, left.pop(name)))
        elif f"{name}_FILE" not in settings or line.startswith("#"):
            lines.append(line)
    lines += [_assignment(name, value) for name, value in left.items()]
    kept = "\n".join(_in_language(lines, language)).strip("\n")
    return re.sub(r"\n{3,}", "\n\n", f"{kept}\n")


def _assignment(name: str, value: object) -> str:
    """Return the setting as a line of Python. SITES has one line for each setting of a cluster."""
    if name != "SITES" or not isinstance(value, dict):
        return f"{name} = {_literal(value)}"
    lines = [f"{name} = {{"]
    for site, settings in value.items():
        own = (f'        "{key}": {_literal(each)},' for key, each in settings.items())
        lines += [f'    "{site}": {{', *own, "    },"]
    return "\n".join([*lines, "}"])


def _literal(value: object) -> str:
    """Return a value as Python. Text that needs no escapes is in double quotes, as in the template."""
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_literal(key)}: {_literal(each)}' for key, each in value.items())}}}"
    text = repr(value)
    return f'"{value}"' if isinstance(value, str) and text == f"'{value}'" and '"' not in value else text


def _is_of_cluster(paragraph: str) -> bool:
    """Return whether a paragraph of the template is about a setting that each of several clusters has in SITES."""
    names = [found[1] for line in paragraph.splitlines() if (found := _SETTING.match(line))]
    return not _OF_CLUSTER.isdisjoint(names)


def _in_language(lines: list[str], language: Language) -> Iterator[str]:
    """Yield the lines without the notes of the other language. The letters of a note show its language."""
    for line in lines:
        note = line.startswith("#") and not _EXAMPLE.match(line)
        if not note or bool(_JAPANESE.search(line)) == (language == "ja"):
            yield line
