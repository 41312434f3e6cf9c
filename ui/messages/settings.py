"""Define one sentence for every fault of a setting: the problem and the remedy.

ui/messages/faults.py fills in the values and makes them safe. The keys are the words of the settings' own enum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ui.i18n import N_, Marked

Told = Mapping[str, object]
"""Safe values by placeholder name. A missing value is an empty text or None."""
Table = Mapping[tuple[str, str], Marked | Callable[[Told], Marked]]
"""One row per fault, by kind and reason: its sentence, or a function that chooses between two by the values."""


def _no_config(x: Told) -> Marked:
    if not x["bare"]:
        return N_("There is no {name}. Copy config.py.example to {name} and fill it in.")
    return N_("There is no {name} at {path}. Copy config.py.example there and fill it in.")


def _syntax(x: Told) -> Marked:
    if x["line"] is None:
        return N_("{name} is not valid Python. Check its quotes, brackets and encoding (UTF-8).")
    return N_("{name}, line {line}: this is not valid Python. Check the quotes, brackets and commas there.")


def _config_error(x: Told) -> Marked:
    if x["line"] is None:
        return N_("{name} cannot be run ({error}). Compare it with config.py.example.")
    return N_("{name}, line {line}: this cannot be run ({error}). Correct the line; text needs quotes.")


def _missing(x: Told) -> Marked:
    if x["other"]:
        return N_(
            "{name} is not set. Set it in config.py or the environment, or name a file that holds it in {other}."
        )
    return N_("{name} is not set. Set it in config.py or the environment.")


def _unknown_name(x: Told) -> Marked:
    if x["nearest"]:
        return N_("{name} is not a setting. Did you mean {nearest}? Correct or remove it.")
    return N_("{name} is not a setting. Remove it; names of your own are written in lower case.")


def _whole_token_name(x: Told) -> Marked:
    if x["nearest"]:
        return N_("{name} holds more than the token's name. Write only {nearest} there.")
    return N_("{name} holds more than the token's name. Write only what stands between “!” and “=”.")


def _timezone(x: Told) -> Marked:
    if x["nearest"]:
        return N_("{name}: {value} is not a time zone. Did you mean {nearest}? Correct it.")
    return N_("{name}: {value} is not a time zone. Write its IANA name, as in Asia/Tokyo.")


# Keys: kind and reason (for wrong_type: the expected form). "" is for every other reason, such as an errno name.
FAULTS: Table = {
    ("no_config", ""): _no_config,
    ("config_syntax", ""): _syntax,
    ("config_error", ""): _config_error,
    ("missing", ""): _missing,
    ("placeholder_left", ""): N_(
        "{name}: {value} is still the placeholder of the example. Put your own value there."
    ),
    ("unknown_name", ""): _unknown_name,
    ("both_given", ""): N_("{name} and {other} are both set. Remove one of them."),
    ("wrong_type", ""): N_("{name}: {value} cannot be used. Compare it with config.py.example."),
    ("wrong_type", "text"): N_("{name}: {value} is not text. Write text in quotes."),
    ("wrong_type", "id"): N_("{name}: {value} is not a Discord ID. Write the ID's 17 to 20 digits."),
    ("wrong_type", "list_of_whole_numbers"): N_(
        "{name}: {value} is not a list of VMIDs. Write whole numbers, as in {example}."
    ),
    ("wrong_type", "list_of_ids"): N_(
        "{name}: {value} is not a list of role IDs. Write them as in {example}."
    ),
    ("wrong_type", "whole_number"): N_(
        "{name}: {value} is not a whole number. Write digits alone, without quotes or a unit."
    ),
    ("wrong_type", "yes_no_or_path"): N_(
        "{name}: {value} does not fit. Write True or False without quotes, or the path of a CA file in quotes."
    ),
    ("wrong_type", "path"): N_("{name}: {value} is not a path. Write a path in quotes."),
    ("out_of_range", ""): N_("{name}: {value} is out of range. Choose a number from {low} to {high}."),
    ("zero_or_range", ""): N_(
        "{name}: {value} is out of range. Choose a number from {low} to {high}, or 0 to turn this off."
    ),
    ("not_an_id", ""): N_(
        "{name}: {value} is not a Discord ID. Turn on Developer Mode in Discord, then copy the ID "
        "(17 to 20 digits) from the right-click menu."
    ),
    ("guild_as_role", ""): N_(
        "{name}: {value} is the ID of the server, which stands for @everyone. Write the ID of another role, "
        "or leave it empty to mention nobody."
    ),
    ("guild_as_role", "level"): N_(
        "{name}: {value} is the ID of the server, which stands for @everyone. Only VIEWER_ROLE_IDS may have it."
    ),
    ("bad_scope", ""): N_(
        "{name}: {value} is no guests. Write `tag:`, `pool:` or `node:` and a name, or a VMID."
    ),
    ("bad_scope", "shape"): N_("{name} does not fit. Write it as config.py.example shows."),
    ("bad_scope", "empty"): N_("{name}: the role {value} has no guests. Write some, or take the role out."),
    ("bad_scope", "no_level"): N_(
        "{name}: the role {value} has no level. Write it into VIEWER_ROLE_IDS, OPERATOR_ROLE_IDS or "
        "ADMIN_ROLE_IDS, too."
    ),
    ("bad_host", ""): N_(
        "{name}: {value} is not a host. Write a host name or an IP address, as in {example}."
    ),
    ("bad_host", "url"): N_("{name}: {value} is a URL. Write only the host, as in {example}."),
    ("bad_host", "path"): N_(
        "{name}: {value} contains more than a host. Write only the host, as in {example}."
    ),
    ("bad_host", "port"): N_(
        "{name}: the port in {value} is not a number from 1 to 65535. Correct it, or leave it out for 8006."
    ),
    ("bad_user", ""): N_("{name}: {value} is not a Proxmox user. Write user@realm, as in discord-bot@pve."),
    ("user_with_token", ""): N_(
        "{name} holds more than the user. Write only {user} there, and the token's name in {other}."
    ),
    ("bad_token_name", ""): N_(
        "{name}: {value} is not a token name. Use letters, digits and . _ -, beginning with a letter "
        "(2 characters or more)."
    ),
    ("bad_token_name", "whole_token"): _whole_token_name,
    ("bad_token_name", "secret"): N_(
        "{name} holds the token's value. Write its name there, and the value in PROXMOX_TOKEN_VALUE."
    ),
    ("bad_secret", ""): N_("{name} cannot be right. Copy the token again."),
    ("bad_secret", "whole_token"): N_(
        "{name} holds more than the token's value. Write only what follows the “=”."
    ),
    ("bad_secret", "characters"): N_(
        "{name} contains spaces, quotes or other characters that no token has. Copy the token again, alone."
    ),
    ("bad_node_name", ""): N_(
        "{name}: {value} is not a node name. Write it as Proxmox shows it, without a domain, as in pve1."
    ),
    ("bad_fingerprint", ""): N_(
        "{name}: {value} is not a SHA-256 fingerprint. Copy the 32 pairs of digits (AA:BB:…) that "
        "“pvenode cert info” shows on the node."
    ),
    ("bad_language", ""): N_("{name}: {value} is not a language of the bot. Choose ja or en."),
    ("bad_log_level", ""): N_("{name}: {value} is not a log level. Choose DEBUG, INFO, WARNING or ERROR."),
    ("bad_quiet_hours", ""): N_(
        "{name}: {value} is not a span of the day. Write two times of 24 hours, as in 23:00-07:00."
    ),
    ("bad_quiet_hours", "same"): N_(
        "{name}: {value} ends when it begins. Write two different times, or leave it empty for no quiet hours."
    ),
    ("bad_timezone", ""): _timezone,
    ("bad_url", ""): N_("{name} is not a URL. Copy the whole URL again."),
    ("bad_url", "characters"): N_(
        "{name} contains spaces, quotes or other characters that no URL has. Copy the URL again, alone."
    ),
    ("bad_url", "scheme"): N_("{name} does not begin with http:// or https://. Copy the whole URL again."),
    ("bad_url", "host"): N_("{name} names no host, or one that cannot be. Copy the whole URL again."),
    ("bad_url", "port"): N_(
        "{name}: the port in the URL is not a number from 1 to 65535. Correct it, or leave it out."
    ),
    ("no_such_file", ""): N_(
        "{name}: there is no file at {path}. Correct the path; a relative one starts beside config.py."
    ),
    ("unreadable_file", ""): N_(
        "{name}: the file at {path} cannot be read ({reason}). Check the file and its permissions."
    ),
    ("unreadable_file", "EACCES"): N_(
        "{name}: the bot may not read the file at {path}. Give its user permission to read it."
    ),
    ("unreadable_file", "EISDIR"): N_("{name}: there is a directory at {path}. Give the path of a file."),
    ("unreadable_file", "empty"): N_("{name}: the file at {path} is empty. Write the value into it."),
    ("unreadable_file", "no_certificate"): N_(
        "{name}: the file at {path} holds no certificate. Give a CA file in PEM format."
    ),
    ("unreadable_file", "bad_path"): N_("{name}: {value} cannot be a path. Correct it."),
    ("data_dir_not_writable", ""): N_(
        "{name}: the directory at {path} cannot be used ({reason}). Choose another one."
    ),
    ("data_dir_not_writable", "EACCES"): N_(
        "{name}: the bot may not write to {path}. Give its user permission to, or choose another directory."
    ),
    ("data_dir_not_writable", "ENOENT"): N_(
        "{name}: the directory that {path} should stand in does not exist. Make it first, or correct the path."
    ),
    ("data_dir_not_writable", "EEXIST"): N_(
        "{name}: there is a file at {path}. Give the path of a directory."
    ),
    ("data_dir_not_writable", "EROFS"): N_(
        "{name}: the file system at {path} is read-only. Choose another directory."
    ),
    ("data_dir_not_writable", "bad_path"): N_("{name}: {value} cannot be a path. Correct it."),
}
