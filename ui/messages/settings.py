"""Define one sentence for every fault of a setting: the problem and the remedy.

ui/messages/faults.py fills in the values and makes them safe. The keys are the words of the settings' own enum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ui.i18n import Text

Told = Mapping[str, object]
"""Safe values by placeholder name. A missing value is an empty text or None."""
FaultText = Callable[[Text, Told], str]
Table = dict[tuple[str, str], FaultText]
"""What is said, by kind and reason."""


def _no_config(t: Text, x: Told) -> str:
    if not x["bare"]:
        return t("There is no {name}. Copy config.py.example to {name} and fill it in.", **x)
    return t("There is no {name} at {path}. Copy config.py.example there and fill it in.", **x)


def _syntax(t: Text, x: Told) -> str:
    if x["line"] is None:
        return t("{name} is not valid Python. Check its quotes, brackets and encoding (UTF-8).", **x)
    return t(
        "{name}, line {line}: this is not valid Python. Check the quotes, brackets and commas there.", **x
    )


def _config_error(t: Text, x: Told) -> str:
    if x["line"] is None:
        return t("{name} cannot be run ({error}). Compare it with config.py.example.", **x)
    return t("{name}, line {line}: this cannot be run ({error}). Correct the line; text needs quotes.", **x)


def _missing(t: Text, x: Told) -> str:
    if x["other"]:
        return t(
            "{name} is not set. Set it in config.py or the environment, or name a file that holds it in {other}.",
            **x,
        )
    return t("{name} is not set. Set it in config.py or the environment.", **x)


def _unknown_name(t: Text, x: Told) -> str:
    if x["nearest"]:
        return t("{name} is not a setting. Did you mean {nearest}? Correct or remove it.", **x)
    return t("{name} is not a setting. Remove it; names of your own are written in lower case.", **x)


def _whole_token_name(t: Text, x: Told) -> str:
    if x["nearest"]:
        return t("{name} holds more than the token's name. Write only {nearest} there.", **x)
    return t("{name} holds more than the token's name. Write only what stands between “!” and “=”.", **x)


def _timezone(t: Text, x: Told) -> str:
    if x["nearest"]:
        return t("{name}: {value} is not a time zone. Did you mean {nearest}? Correct it.", **x)
    return t("{name}: {value} is not a time zone. Write its IANA name, as in Asia/Tokyo.", **x)


# Keys: kind and reason (for wrong_type: the expected form). "" is for every other reason, such as an errno name.
FAULTS: Table = {
    ("no_config", ""): _no_config,
    ("config_syntax", ""): _syntax,
    ("config_error", ""): _config_error,
    ("missing", ""): _missing,
    ("placeholder_left", ""): lambda t, x: t(
        "{name}: {value} is still the placeholder of the example. Put your own value there.", **x
    ),
    ("unknown_name", ""): _unknown_name,
    ("both_given", ""): lambda t, x: t("{name} and {other} are both set. Remove one of them.", **x),
    ("wrong_type", ""): lambda t, x: t(
        "{name}: {value} cannot be used. Compare it with config.py.example.", **x
    ),
    ("wrong_type", "text"): lambda t, x: t("{name}: {value} is not text. Write text in quotes.", **x),
    ("wrong_type", "id"): lambda t, x: t(
        "{name}: {value} is not a Discord ID. Write the ID's 17 to 20 digits.", **x
    ),
    ("wrong_type", "list_of_whole_numbers"): lambda t, x: t(
        "{name}: {value} is not a list of VMIDs. Write whole numbers, as in {example}.", **x
    ),
    ("wrong_type", "list_of_ids"): lambda t, x: t(
        "{name}: {value} is not a list of role IDs. Write them as in {example}.", **x
    ),
    ("wrong_type", "whole_number"): lambda t, x: t(
        "{name}: {value} is not a whole number. Write digits alone, without quotes or a unit.", **x
    ),
    ("wrong_type", "yes_no_or_path"): lambda t, x: t(
        "{name}: {value} does not fit. Write True or False without quotes, or the path of a CA file in quotes.",
        **x,
    ),
    ("wrong_type", "path"): lambda t, x: t("{name}: {value} is not a path. Write a path in quotes.", **x),
    ("out_of_range", ""): lambda t, x: t(
        "{name}: {value} is out of range. Choose a number from {low} to {high}.", **x
    ),
    ("zero_or_range", ""): lambda t, x: t(
        "{name}: {value} is out of range. Choose a number from {low} to {high}, or 0 to turn this off.", **x
    ),
    ("not_an_id", ""): lambda t, x: t(
        "{name}: {value} is not a Discord ID. Turn on Developer Mode in Discord, then copy the ID "
        "(17 to 20 digits) from the right-click menu.",
        **x,
    ),
    ("guild_as_role", ""): lambda t, x: t(
        "{name}: {value} is the ID of the server, which stands for @everyone. Write the ID of another role, "
        "or leave it empty to mention nobody.",
        **x,
    ),
    ("guild_as_role", "level"): lambda t, x: t(
        "{name}: {value} is the ID of the server, which stands for @everyone. Only VIEWER_ROLE_IDS may have it.",
        **x,
    ),
    ("bad_scope", ""): lambda t, x: t(
        "{name}: {value} is no guests. Write `tag:`, `pool:` or `node:` and a name, or a VMID.", **x
    ),
    ("bad_scope", "shape"): lambda t, x: t("{name} does not fit. Write it as config.py.example shows.", **x),
    ("bad_scope", "empty"): lambda t, x: t(
        "{name}: the role {value} has no guests. Write some, or take the role out.", **x
    ),
    ("bad_scope", "no_level"): lambda t, x: t(
        "{name}: the role {value} has no level. Write it into VIEWER_ROLE_IDS, OPERATOR_ROLE_IDS or "
        "ADMIN_ROLE_IDS, too.",
        **x,
    ),
    ("bad_host", ""): lambda t, x: t(
        "{name}: {value} is not a host. Write a host name or an IP address, as in {example}.", **x
    ),
    ("bad_host", "url"): lambda t, x: t(
        "{name}: {value} is a URL. Write only the host, as in {example}.", **x
    ),
    ("bad_host", "path"): lambda t, x: t(
        "{name}: {value} contains more than a host. Write only the host, as in {example}.", **x
    ),
    ("bad_host", "port"): lambda t, x: t(
        "{name}: the port in {value} is not a number from 1 to 65535. Correct it, or leave it out for 8006.",
        **x,
    ),
    ("bad_user", ""): lambda t, x: t(
        "{name}: {value} is not a Proxmox user. Write user@realm, as in discord-bot@pve.", **x
    ),
    ("user_with_token", ""): lambda t, x: t(
        "{name} holds more than the user. Write only {user} there, and the token's name in {other}.", **x
    ),
    ("bad_token_name", ""): lambda t, x: t(
        "{name}: {value} is not a token name. Use letters, digits and . _ -, beginning with a letter "
        "(2 characters or more).",
        **x,
    ),
    ("bad_token_name", "whole_token"): _whole_token_name,
    ("bad_token_name", "secret"): lambda t, x: t(
        "{name} holds the token's value. Write its name there, and the value in PROXMOX_TOKEN_VALUE.", **x
    ),
    ("bad_secret", ""): lambda t, x: t("{name} cannot be right. Copy the token again.", **x),
    ("bad_secret", "whole_token"): lambda t, x: t(
        "{name} holds more than the token's value. Write only what follows the “=”.", **x
    ),
    ("bad_secret", "characters"): lambda t, x: t(
        "{name} contains spaces, quotes or other characters that no token has. Copy the token again, alone.",
        **x,
    ),
    ("bad_node_name", ""): lambda t, x: t(
        "{name}: {value} is not a node name. Write it as Proxmox shows it, without a domain, as in pve1.", **x
    ),
    ("bad_fingerprint", ""): lambda t, x: t(
        "{name}: {value} is not a SHA-256 fingerprint. Copy the 32 pairs of digits (AA:BB:…) that "
        "“pvenode cert info” shows on the node.",
        **x,
    ),
    ("bad_language", ""): lambda t, x: t(
        "{name}: {value} is not a language of the bot. Choose ja or en.", **x
    ),
    ("bad_log_level", ""): lambda t, x: t(
        "{name}: {value} is not a log level. Choose DEBUG, INFO, WARNING or ERROR.", **x
    ),
    ("bad_quiet_hours", ""): lambda t, x: t(
        "{name}: {value} is not a span of the day. Write two times of 24 hours, as in 23:00-07:00.", **x
    ),
    ("bad_quiet_hours", "same"): lambda t, x: t(
        "{name}: {value} ends when it begins. Write two different times, or leave it empty for no quiet hours.",
        **x,
    ),
    ("bad_timezone", ""): _timezone,
    ("bad_url", ""): lambda t, x: t("{name} is not a URL. Copy the whole URL again.", **x),
    ("bad_url", "characters"): lambda t, x: t(
        "{name} contains spaces, quotes or other characters that no URL has. Copy the URL again, alone.", **x
    ),
    ("bad_url", "scheme"): lambda t, x: t(
        "{name} does not begin with http:// or https://. Copy the whole URL again.", **x
    ),
    ("bad_url", "host"): lambda t, x: t(
        "{name} names no host, or one that cannot be. Copy the whole URL again.", **x
    ),
    ("bad_url", "port"): lambda t, x: t(
        "{name}: the port in the URL is not a number from 1 to 65535. Correct it, or leave it out.", **x
    ),
    ("no_such_file", ""): lambda t, x: t(
        "{name}: there is no file at {path}. Correct the path; a relative one starts beside config.py.", **x
    ),
    ("unreadable_file", ""): lambda t, x: t(
        "{name}: the file at {path} cannot be read ({reason}). Check the file and its permissions.", **x
    ),
    ("unreadable_file", "EACCES"): lambda t, x: t(
        "{name}: the bot may not read the file at {path}. Give its user permission to read it.", **x
    ),
    ("unreadable_file", "EISDIR"): lambda t, x: t(
        "{name}: there is a directory at {path}. Give the path of a file.", **x
    ),
    ("unreadable_file", "empty"): lambda t, x: t(
        "{name}: the file at {path} is empty. Write the value into it.", **x
    ),
    ("unreadable_file", "no_certificate"): lambda t, x: t(
        "{name}: the file at {path} holds no certificate. Give a CA file in PEM format.", **x
    ),
    ("unreadable_file", "bad_path"): lambda t, x: t("{name}: {value} cannot be a path. Correct it.", **x),
    ("data_dir_not_writable", ""): lambda t, x: t(
        "{name}: the directory at {path} cannot be used ({reason}). Choose another one.", **x
    ),
    ("data_dir_not_writable", "EACCES"): lambda t, x: t(
        "{name}: the bot may not write to {path}. Give its user permission to, or choose another directory.",
        **x,
    ),
    ("data_dir_not_writable", "ENOENT"): lambda t, x: t(
        "{name}: the directory that {path} should stand in does not exist. Make it first, or correct the path.",
        **x,
    ),
    ("data_dir_not_writable", "EEXIST"): lambda t, x: t(
        "{name}: there is a file at {path}. Give the path of a directory.", **x
    ),
    ("data_dir_not_writable", "EROFS"): lambda t, x: t(
        "{name}: the file system at {path} is read-only. Choose another directory.", **x
    ),
    ("data_dir_not_writable", "bad_path"): lambda t, x: t(
        "{name}: {value} cannot be a path. Correct it.", **x
    ),
}
