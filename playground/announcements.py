"""Hold what the demo writes to the terminal, in Japanese and English."""

BLOCKED = "free-nitro"
"""A text that the link filter of the demo's Discord blocks."""

READY = {
    "ja": """
デモの準備ができました。ブラウザーで開いてください:

  {url}

  · 右の欄（スマートフォンでは下）に、10 の手順のツアーと、わざと壊すボタンがあります
  · 自由に試すには、下の欄に / と入力: /list、/info vmid:（候補から選択）、/stop、/snapshot create …
  · 上のリンクで監査チャンネルと、ボットが断るチャンネルへ
  · 「Viewing as」で人を切り替え: akiko は管理者、taro はオペレーター、emma は閲覧者（英語で読み、タグにより
    204 の所有者）、ken はタグ game のゲストだけの管理者、mio はロールがなく、何もできません
{sites}  · かかる時間: 開始は 2 秒、スナップショットは 2 秒、クローンは 8 秒、バックアップは 10 秒。通知はゲストが
    止まってから 10 秒ほどで届きます（最初は 60～90 秒後。そのあと数分おきに何かが起こります。ツアーの間は
    ひとりでには何も起こりません）
  · この Discord のリンクフィルターは {blocked} をブロックします: /create name:{blocked} は名前なしで表示されます

終了は Ctrl-C
""",
    "en": """
The demo is ready. Open this in a browser:

  {url}

  · On the right (on a phone: at the bottom) is a tour of ten steps, with buttons that break things on purpose
  · To try things freely, type / in the box at the bottom: /list, /info vmid: (pick a completion), /stop …
  · The links at the top lead to the audit channel, and to a channel where the bot refuses to work
  · Switch the person with "Viewing as": akiko is an admin, taro an operator, emma a viewer (and the owner of 204 by
    its tag), ken an admin of the guests with the tag game, and mio has no role and may do nothing
{sites}  · How long things take: a start 2 s, a snapshot 2 s, a clone 8 s, a backup 10 s. An alert comes about 10 s
    after a guest stops (the first after 60 to 90 s, then something every few minutes, but nothing during the tour)
  · The link filter of this Discord blocks {blocked}: /create name:{blocked} is shown without names

Ctrl-C ends it
""",
}

SITES = {
    "ja": """\
  · Proxmox は 2 か所: home（3 ノードのクラスタ）と parents（実家の単独ホスト）。1 か所だけなら --one-site
""",
    "en": """\
  · Proxmox at two sites: home, a cluster of three nodes, and parents, a stand-alone host that has some VMIDs and
    names too (101, dns). With --one-site there is only the cluster
""",
}

PORT_TAKEN = {
    "ja": "ポート {port} はほかのプログラムが使っています。--port で別の番号を指定するか、--port を外してください。",
    "en": "Port {port} is used by another program. Choose another with --port, or leave --port out.",
}

PORT_MOVED = {
    "ja": "ポート {port} はほかのプログラムが使っているので、{found} を使います。",
    "en": "Port {port} is used by another program: the demo takes {found}.",
}
