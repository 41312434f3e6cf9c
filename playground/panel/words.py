"""Hold the panel's labels, and its texts about each breakage, in Japanese and English."""

from __future__ import annotations

from dataclasses import dataclass

from playground.panel.steps import Words


@dataclass(frozen=True, slots=True)
class BreakageWords:
    """The texts about one breakage. `sight`: what happens, the bot's reaction, and how long it takes in the demo."""

    title: Words
    sight: Words


BREAKAGES: dict[str, BreakageWords] = {
    "guest": BreakageWords(
        {"ja": "ゲストを落とす", "en": "Kill a guest"},
        {
            "ja": "監視中の db01 が突然止まります。10 秒ほどで、「開始」の付いた通知が届きます。",
            "en": "db01, a watched guest, stops. An alert with a Start button comes within 10 seconds.",
        },
    ),
    "node": BreakageWords(
        {"ja": "ノードを切り離す", "en": "Cut off a node"},
        {
            "ja": "pve2 が応答しなくなります。15 秒ほどで、影響を受けるゲストとともに知らせます。",
            "en": "pve2 does not answer any more. In about 15 seconds one alert names it and its watched guests.",
        },
    ),
    "proxmox": BreakageWords(
        {"ja": "Proxmox を切断する", "en": "Cut off Proxmox"},
        {
            "ja": "クラスタ全体につながらなくなります。15 秒ほどで知らせ、どのコマンドにも理由を答えます。",
            "en": "Nothing reaches the cluster. An alert comes in about 15 seconds, and every command says why.",
        },
    ),
    "storage": BreakageWords(
        {"ja": "ストレージを埋める", "en": "Fill a storage"},
        {
            "ja": "ceph-vm の使用率が 97% になります。15 秒ほどで警告が届きます。",
            "en": "ceph-vm is 97% full. A warning comes in about 15 seconds.",
        },
    ),
    "token": BreakageWords(
        {"ja": "API トークンを取り消す", "en": "Revoke the API token"},
        {
            "ja": "Proxmox がボットを拒否します。15 秒ほどで、原因と直し方を知らせます。",
            "en": "Proxmox refuses the bot. In about 15 seconds an alert names the cause and the remedy.",
        },
    ),
    "pvestatd": BreakageWords(
        {"ja": "pvestatd を止める", "en": "Hang pvestatd"},
        {
            "ja": "pve1 の新しいデータが届かなくなります。10 秒ほどで知らせ、ゲストは 1 台ずつ確かめます。",
            "en": "pve1 sends no new data. In about 10 seconds an alert says so, and the bot asks each guest.",
        },
    ),
}

LABELS: dict[str, Words] = {
    "tour": {"ja": "ツアー", "en": "Tour"},
    "break": {"ja": "壊す", "en": "Break"},
    "fold": {"ja": "たたむ", "en": "Collapse"},
    "unfold": {"ja": "開く", "en": "Expand"},
    "welcome": {
        "ja": "10 の手順で、ボットにできることをひととおり試します（5 分ほど）。",
        "en": "Ten steps through what the bot can do, in about five minutes.",
    },
    "begin": {"ja": "ツアーを始める", "en": "Start the tour"},
    "resume": {"ja": "ツアーを続ける", "en": "Resume the tour"},
    "do": {"ja": "代わりに実行", "en": "Do it for me"},
    "acting": {"ja": "実行中…", "en": "On it…"},
    "failed": {
        "ja": "うまくいきませんでした。もう一度押すか、手で試してください。",
        "en": "That did not work. Press again, or do it by hand.",
    },
    "skip": {"ja": "とばす", "en": "Skip"},
    "leave": {"ja": "ツアーを離れる", "en": "Leave the tour"},
    "done": {
        "ja": "これで終わりです。次は「壊す」で、ボットの言うことを見てください。",
        "en": "That's all. Now break something, and watch what the bot says.",
    },
    "elsewhere": {"ja": "ツアーは # proxmox で進みます。", "en": "The tour continues in # proxmox."},
    "go": {"ja": "# proxmox へ", "en": "Go to # proxmox"},
    "poll": {
        "ja": "デモのボットは 5 秒ごとに確かめます（既定は 1 分ごと）。",
        "en": "The demo's bot checks every 5 seconds (by default, a bot checks every minute).",
    },
    "whole": {"ja": "正常", "en": "Works"},
    "broken": {"ja": "故障中", "en": "Broken"},
    "do_break": {"ja": "壊す", "en": "Break"},
    "mend": {"ja": "直す", "en": "Fix"},
    "by_itself": {"ja": "ひとりでに何かが起こる", "en": "Things also happen by themselves"},
    "reset": {"ja": "最初からやり直す", "en": "Reset the demo"},
    "sure": {"ja": "すべて消してやり直す", "en": "Yes, start over"},
    "other_language": {"ja": "Start over in English", "en": "日本語でやり直す"},
    "resetting": {
        "ja": "最初の状態に戻しています（10 秒ほど）…",
        "en": "Back to the start, in about 10 seconds…",
    },
    "over": {
        "ja": "デモにつながりません。終わっていたら、もう一度始めて、新しいアドレスを開いてください。",
        "en": "The demo does not answer. If it has ended, start it again and open its new address.",
    },
}
