"""Test the texts: every message in Japanese, every error with its sentence, every action with its wording."""

import re
import string
from dataclasses import fields
from itertools import product
from typing import Any, get_type_hints

import pytest

from core import error_codec, errors, proxmox_errors
from core.errors import BotError
from core.guest import Kind, State
from core.levels import Level
from core.operations import ACTIONS, OPERATIONS, Operation
from core.wanted_errors import SeveralGuests
from tests.support.cards.sent import JA_AND_EN, TEXTS
from tests.support.fakes import NOW
from tests.support.walked import walked
from tools.messages import LANGUAGES, Message, compiled, in_source, messages_of, path_of, read, translated
from ui.guests.plan import _DETAILS
from ui.i18n import N_, Text, fill_japanese
from ui.messages.errors import WORDS as ERROR_WORDS
from ui.messages.errors import completion_text, error_sentence, unexpected_sentence
from ui.messages.operations import WORDS, operation_noun
from ui.messages.proxmox_errors import task_hint

JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uff66-\uff9f]")
HOSTILE = "<@1> `x` {name} {0.__class__} %s @everyone [a](http://b) \u202e\n**b** ```c```"


def may_ask(action: Operation) -> bool:
    """Return whether the action can ask for confirmation: always, for a protected guest, or because of its plan."""
    return OPERATIONS[action].asks or OPERATIONS[action].guarded or action is Operation.CREATE


def english(message: Message) -> tuple[str, ...]:
    return message if isinstance(message, tuple) else (message,)


def placeholders(text: str) -> set[str]:
    """Return the names in braces. A conversion or an attribute would give access to the bot's own objects."""
    names = set()
    for _, name, spec, conversion in string.Formatter().parse(text):
        if name is not None:
            assert re.fullmatch(r"[a-z_]+", name), text
            assert not spec, text
            assert not conversion, text
            names.add(name)
    return names


def catalogue(language: str) -> dict[Message, tuple[str, ...]]:
    found: dict[Message, tuple[str, ...]] = {}
    for message in read(language):
        if message.id:
            key = message.id if isinstance(message.id, str) else (message.id[0], message.id[1])
            text = message.string
            found[key] = (text,) if isinstance(text, str) else tuple(text or ())
            assert not message.fuzzy, key
    return found


@walked("language", LANGUAGES)
def test_no_message_is_missing_left_over_or_empty(language: str) -> None:
    known, source = catalogue(language), in_source()
    assert len(source) > 200
    assert source - set(known) == set(), "run: python -m tools.messages"
    assert set(known) - source == set(), "run: python -m tools.messages"
    assert [message for message, text in known.items() if not translated(text) or not all(text)] == []


@walked("language", LANGUAGES)
def test_the_bot_reads_the_compiled_translations(language: str) -> None:
    assert path_of(language).with_suffix(".mo").read_bytes() == compiled(language), (
        "run: python -m tools.messages"
    )


def test_a_message_that_a_row_holds_is_found() -> None:
    assert set(messages_of('ROWS = {1: N_("{guest} was started."), 2: text.N_("Start")}')) == {
        "{guest} was started.",
        "Start",
    }
    assert set(messages_of('t(row.message, guest=guest)\nt("Start")')) == {"Start"}


@pytest.mark.parametrize("marked", ["N_(message)", 'N_(f"{noun} it")', 'N_("Start", "Stop")'])
def test_a_marked_message_is_one_literal_string(marked: str) -> None:
    with pytest.raises(ValueError, match="line 1: N_ takes one literal string"):
        list(messages_of(marked))


def test_a_marked_message_is_translated_where_it_is_shown() -> None:
    message = N_("{guest} was started.")
    assert message == "{guest} was started."
    assert [t(message, guest="**101**") for t in JA_AND_EN] == [
        "**101** を開始しました。",
        "**101** was started.",
    ]


@walked(
    ("message", "values", "text"),
    [
        (
            "{a} は {b} が停止しました",
            {"a": "`web01`", "b": "`root@pam`"},
            "`web01` は `root@pam` が停止しました",
        ),
        (
            "{a} は {b} が停止しました",
            {"a": "`web01`", "b": "不明なユーザー"},
            "`web01` は不明なユーザーが停止しました",
        ),
        (
            "{by} による停止",
            {"by": "`root@pam`（タスク `qmstop`）"},
            "`root@pam`（タスク `qmstop`）による停止",
        ),
        ("コア: {n} → {m}", {"n": "すべて", "m": "なし"}, "コア: すべて → なし"),
        ("{a} と {b}", {"a": "山田 太郎", "b": "名 {a} 前"}, "山田 太郎と名 {a} 前"),
        ("{{}} の {a} の", {"a": 3}, "{} の 3 の"),
    ],
)
def test_a_japanese_value_takes_no_space_beside_japanese(
    message: str, values: dict[str, object], text: str
) -> None:
    assert fill_japanese(message, values) == text


@walked("language", LANGUAGES)
def test_a_translation_has_the_placeholders_of_its_message(language: str) -> None:
    wrong = [
        message
        for message, texts in catalogue(language).items()
        if {name for text in texts for name in placeholders(text)}
        != {name for text in english(message) for name in placeholders(text)}
    ]
    assert wrong == []


def test_japanese_is_japanese_and_english_is_english() -> None:
    assert [message for message in in_source() if JAPANESE.search(" ".join(english(message)))] == []
    same = {message for message, texts in catalogue("ja").items() if not JAPANESE.search(" ".join(texts))}
    # Words that Japanese administrators write in Latin letters too: units and names of things, no sentences.
    sentences = [
        message for message in same if len(re.sub(r"\{\w+\}", "", " ".join(english(message))).split()) > 1
    ]
    assert sentences == []


def test_a_translation_keeps_code_spans_and_settings() -> None:
    kept = re.compile(r"`[^`{}]+`|\b[A-Z]+_[A-Z_]+\b")
    wrong = {
        message: texts
        for message, texts in catalogue("ja").items()
        for text in texts
        if set(kept.findall(text)) != set(kept.findall(english(message)[-1]))
    }
    assert wrong == {}


def test_words_that_read_as_translated_do_not_come_back() -> None:
    stale = (
        "出来事",
        "採取",
        "変更を停止",
        "Switch off hard",
        "gentle way",
        "for good",
        "from now on",
        "asks back",
    )
    for language in LANGUAGES:
        for message, translations in catalogue(language).items():
            for text in (*english(message), *translations):
                assert not [word for word in stale if word in text], text


def test_the_translation_of_a_sentence_ends_as_a_sentence() -> None:
    """Let a translation also end with a value."""
    wrong = [
        message
        for message, texts in catalogue("ja").items()
        if english(message)[0].endswith(".") and not re.search(r"[。.！!?？）)}]$", texts[0])
    ]
    assert wrong == []


@walked("t", JA_AND_EN)
def test_counts_are_written_in_both_languages(t: Text) -> None:
    said = [t.plural("{n} guest", "{n} guests", n) for n in (0, 1, 2, 5000)]
    assert [re.sub(r"\D", "", text) for text in said] == ["0", "1", "2", "5000"]
    if t.language == "en":
        assert said == ["0 guests", "1 guest", "2 guests", "5000 guests"]
    else:
        assert all(JAPANESE.search(text) for text in said)


def test_the_readers_language() -> None:
    assert TEXTS.public.language == "ja"
    assert [TEXTS.of_locale(locale).language for locale in ("ja", "en-US", "en-GB", "de", "", "JA")] == [
        "ja",
        "en",
        "en",
        "en",
        "en",
        "en",
    ]


# --- every error has its sentence ---


ERRORS = [
    kind for kind in error_codec.ERRORS.values() if kind not in (errors.Refused, proxmox_errors.ProxmoxError)
]


def values_of(name: str, hint: Any) -> list[object]:
    """Return possible values of a field, hostile if they come from outside."""
    if name == "verb":
        return [operation.value for operation in ACTIONS]
    if name == "option":
        return ["cores", "memory_mb"]  # the option's own name
    choices: dict[Any, list[object]] = {
        int: [101],
        int | None: [101, None],
        float: [NOW],
        bool: [False, True],
        str: [HOSTILE, ""],
        str | None: [HOSTILE, None],
        State: list(State),
        Kind: list(Kind),
        Level: list(Level),
    }
    return choices[hint]


def examples(error: type[BotError]) -> list[BotError]:
    hints = get_type_hints(error)
    choices = [values_of(field.name, hints[field.name]) for field in fields(error)]  # type: ignore[arg-type]  # every error is a dataclass
    return [error(*values) for values in product(*choices)]


def test_every_error_has_a_row_of_words_and_no_row_is_left() -> None:
    assert set(ERROR_WORDS) == set(ERRORS)
    assert len(ERRORS) > 40


@walked("t", JA_AND_EN)
@walked("error", ERRORS)
def test_every_error_is_one_sentence_of_the_readers_language(error: type[BotError], t: Text) -> None:
    for example in examples(error):
        said = error_sentence(t, example)
        plain = re.sub(r"`[^`\n]*`|<@\d+>", "", said)  # a value, a person
        assert 5 < len(said) < 1000
        assert "\u202e" not in said
        assert "`" not in plain
        assert not re.search(r"<[@#/:a]|@everyone|http|\{|\}|%s", plain), said
        assert bool(JAPANESE.search(plain)) is (t.language == "ja"), said
        assert "\n" not in said or error in (proxmox_errors.CertificateNotTrusted, SeveralGuests)


@walked("t", JA_AND_EN)
def test_completions_are_plain_text(t: Text) -> None:
    said = [
        completion_text(t, example)
        for error in ERRORS
        for example in examples(error)
        if ERROR_WORDS[error].choice
    ]
    assert len(set(said)) > 3
    for text in said:
        assert not re.search(r"[`*<>{}]", text), text
        assert bool(JAPANESE.search(text)) is (t.language == "ja")


def test_an_unexpected_error_shows_its_id_only() -> None:
    for t in JA_AND_EN:
        assert "`0badcafe`" in unexpected_sentence(t, "0badcafe")


VALUES = {"guest": "**101** `web01`", "name": "`new01`", "snapshot": "`before`"}


def test_every_operation_has_a_row_of_words() -> None:
    missing = {operation.value for operation in set(Operation) ^ WORDS.keys()}
    assert not missing, f"give it a row in WORDS (ui/messages/operations.py): {missing}"


@walked("t", JA_AND_EN)
def test_every_operation_has_its_noun(t: Text) -> None:
    nouns = {operation_noun(t, operation) for operation in Operation}
    assert len(nouns) == len(Operation)
    assert "" not in nouns


@walked("t", JA_AND_EN)
@walked("action", ACTIONS)
def test_every_action_has_its_words(action: Operation, t: Text) -> None:
    words = WORDS[action]
    said = [t(message, **VALUES) for message in (words.working, words.done, words.failed)]
    assert len(set(said)) == 3
    assert all("**101** `web01`" in text for text in said)
    if action.value.startswith("snapshot"):
        assert all("`before`" in text for text in said)


def test_no_two_actions_say_the_same() -> None:
    said = [
        message
        for action in ACTIONS
        for message in (WORDS[action].working, WORDS[action].done, WORDS[action].failed)
    ]
    assert len(set(said)) == 3 * len(ACTIONS)


@walked("t", JA_AND_EN)
@walked("action", [each for each in ACTIONS if may_ask(each)])
def test_operations_that_may_ask_have_the_words_of_a_question(action: Operation, t: Text) -> None:
    words = WORDS[action]
    assert words.question
    assert words.yes
    assert "web01" in t(words.yes, name="web01")
    assert bool(words.consequence) is (action not in _DETAILS)


@walked("t", JA_AND_EN)
def test_a_refusal_by_state_names_the_guest(t: Text) -> None:
    told = [
        t(message, guest="**101** `web01`", state="paused")
        for words in WORDS.values()
        for message in words.refused.values()
    ]
    assert told
    assert all("**101** `web01`" in text for text in told)


@walked(
    ("operation", "message", "word"),
    [
        (Operation.SHUTDOWN, "VM quit/powerdown failed - got timeout", "/stop"),
        (Operation.REBOOT, "VM quit/powerdown failed - got timeout", "/stop"),
        (Operation.START, "start failed: command 'kvm' failed: got timeout", None),
        (
            Operation.SHUTDOWN,
            "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout",
            "Another task",
        ),
        (Operation.DELETE, "base volume 'local:base-900-disk-0' is still in use by linked cloned", "linked"),
        (
            Operation.DELETE,
            "base volume 'local:base-900-disk-0' is still in use (use by 'vm-101-disk-0')",
            "linked",
        ),
        (Operation.DELETE, "can't find base volume 'local:base-900-disk-0'", None),
        (Operation.CREATE, "lvcreate error: insufficient free space", "full"),
        (Operation.CREATE, "qemu-img: error while writing: No space left on device", "full"),
        (Operation.SNAPSHOT_CREATE, "write error: no space left on device", "full"),
        (Operation.CREATE, "ERROR: out of space", "full"),
        (Operation.CREATE, "storage 'local' is full", "full"),
        (Operation.CREATE, "this fullname is not allowed", None),
        (Operation.START, "failed to set up the network namespace", None),
        (Operation.START, "lxc-start: cannot open /proc/self/ns/net: workspace missing", None),
        (Operation.START, "cluster not ready - no quorum?", "quorum"),
        (Operation.SNAPSHOT_CREATE, "VM is locked (backup)", "Another task"),
        (
            Operation.CREATE,
            "Permission check failed (/storage/local-lvm, Datastore.AllocateSpace)",
            "/storage/local-lvm",
        ),
        (
            Operation.CREATE,
            "403 Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)\n",
            "`SDN.Use`",
        ),
        (Operation.CREATE, "Permission check failed (/vms/101)", "`/vms/101`"),
        (Operation.CREATE, "Permission check failed", None),
        (Operation.SNAPSHOT_ROLLBACK, "can't rollback, 'a' is not the most recent snapshot on 'b'", "newest"),
        (Operation.START, "it just did not work", None),
    ],
)
def test_known_errors_of_tasks_are_explained(operation: Operation, message: str, word: str | None) -> None:
    english, japanese = (
        task_hint(TEXTS.of("en"), operation, message),
        task_hint(TEXTS.of("ja"), operation, message),
    )
    if word is None:
        assert english is japanese is None
    elif word == "linked":
        assert english is not None
        assert "Linked clones" in english
    else:
        assert english is not None
        assert japanese is not None
        assert word in english
        assert JAPANESE.search(japanese)


def test_a_missing_privilege_is_reported_alike_for_a_request_and_a_task() -> None:
    words = "Permission check failed (/storage/local-lvm, Datastore.AllocateSpace)"
    error = proxmox_errors.MissingPrivilege("Datastore.AllocateSpace", "/storage/local-lvm")
    for t in JA_AND_EN:
        assert task_hint(t, Operation.CREATE, words) == error_sentence(t, error)
    hostile = task_hint(JA_AND_EN[1], Operation.CREATE, "Permission check failed (/x`<@1>, `@everyone`)")
    assert hostile is not None
    assert "@" not in re.sub(r"`[^`\n]*`", "", hostile)
