"""Test the words for Proxmox' tasks and their ends."""

import pytest

from core.operations import OPERATIONS
from tests.support.walked import walked
from ui.i18n import Texts
from ui.messages.task_words import TASK_WORDS, end_words, lock_word, task_word

TEXTS = Texts("ja")


def test_every_task_of_the_bot_has_words() -> None:
    own = {task for row in OPERATIONS.values() for tasks in row.tasks.values() for task in tasks}
    assert own <= TASK_WORDS.keys()


@walked(
    ("task", "english", "japanese"),
    [
        ("qmstart", "start", "開始"),
        ("vzshutdown", "shutdown", "シャットダウン"),
        ("vzdump", "backup", "バックアップ"),
        ("qmigrate", "migration", "マイグレーション"),
        ("of_tomorrow", "`of_tomorrow`", "`of_tomorrow`"),
        ("qm`x` <@7>", "`qmˋxˋ <@7>`", "`qmˋxˋ <@7>`"),
    ],
)
def test_a_task_is_named_in_words_if_it_is_known(task: str, english: str, japanese: str) -> None:
    assert task_word(TEXTS.of("en"), task) == english
    assert task_word(TEXTS.of("ja"), task) == japanese


@pytest.mark.parametrize(
    ("lock", "english", "japanese"),
    [
        ("backup", "backup", "バックアップ"),
        ("snapshot-delete", "deletion of a snapshot", "スナップショットの削除"),
        ("of`tomorrow", "`ofˋtomorrow`", "`ofˋtomorrow`"),
    ],
)
def test_a_lock_is_named_by_the_work_that_holds_it(lock: str, english: str, japanese: str) -> None:
    assert lock_word(TEXTS.of("en"), lock) == english
    assert lock_word(TEXTS.of("ja"), lock) == japanese


@walked(
    ("text", "english", "japanese"),
    [
        ("job errors", "the job ended with errors", "ジョブがエラーで終了"),
        ("unexpected status", "ended unexpectedly", "予期せず終了"),
        ("received interrupt", "interrupted", "中断"),
        ("WARNINGS: 1", "1 warning", "警告 1 件"),
        ("WARNINGS: 2", "2 warnings", "警告 2 件"),
        ("CT 200 already running", "the guest was already running", "ゲストはすでに稼働中"),
        ("job errors on <@7>", "`job errors on <@7>`", "`job errors on <@7>`"),
        ("", "`?`", "`?`"),
    ],
)
def test_an_exit_text_is_translated_only_as_a_whole(text: str, english: str, japanese: str) -> None:
    assert end_words(TEXTS.of("en"), text) == english
    assert end_words(TEXTS.of("ja"), text) == japanese
