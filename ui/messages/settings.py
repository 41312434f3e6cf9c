"""Hold one sentence for every fault of a setting: the problem and the remedy.

ui/messages/faults.py makes the values safe and fills them in. Each key is a fault's kind (`FaultKind`) and reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ui.i18n import N_, Marked

FaultValues = Mapping[str, object]
"""Safe values by placeholder (`_values_of` in faults.py).

If the fault has no such value, `value`, `path`, `error`, `user` and `example` have a general word, others "" or None.
"""
Table = Mapping[tuple[str, str], Marked | Callable[[FaultValues], Marked]]
"""By kind and reason of a fault: its sentence, or a function that chooses one of two according to the values."""

_BAD_HOST = N_("{name} has no valid host. Copy the whole URL again.")
_BAD_PORT = N_("{name}: the port in the URL is not a number from 1 to 65535. Correct it, or leave it out.")
_BAD_PATH = N_("{name}: {value} is not a valid path. Correct it.")


def _no_config(values: FaultValues) -> Marked:
    if values["bare"] in ("", values["name"]):
        return N_(
            "{name} not found. Run “python bot.py --init”, or copy config.py.example to {name} and fill it in."
        )
    return N_(
        "{name} not found at {path}. Run “python bot.py --init”, or copy config.py.example there and fill it in."
    )


def _syntax(values: FaultValues) -> Marked:
    if values["line"] is None:
        return N_("{name} is not valid Python. Check its quotes, brackets and encoding (UTF-8).")
    return N_("{name}, line {line}: invalid Python syntax. Check the quotes, brackets and commas.")


def _config_error(values: FaultValues) -> Marked:
    if values["line"] is None:
        return N_("Cannot run {name} ({error}). Compare it with config.py.example.")
    return N_("{name}, line {line}: cannot be run ({error}). Correct the line; text needs quotes.")


def _missing(values: FaultValues) -> Marked:
    if values["other"]:
        return N_(
            "{name} is not set. Set it in config.py or the environment, or set {other} to a "
            "file that contains it."
        )
    return N_("{name} is not set. Set it in config.py or the environment.")


def _unknown_name(values: FaultValues) -> Marked:
    if values["nearest"]:
        return N_("{name} is not a setting. Did you mean {nearest}? Correct it or remove it.")
    return N_("{name} is not a setting. Remove it; use lower case for your own variables.")


def _unknown_in_site(values: FaultValues) -> Marked:
    if values["nearest"]:
        return N_("{name} is not a setting of a site. Did you mean {nearest}? Correct it or remove it.")
    return N_("{name} is not a setting of a site. Remove it.")


def _duplicate_host(values: FaultValues) -> Marked:
    if values["other"]:
        return N_(
            "{name}: {value} is also in {other}. A host belongs to one site; remove it from one of them."
        )
    return N_("{name}: {value} is listed twice. Remove one of them.")


def _unknown_site(values: FaultValues) -> Marked:
    if values["other"]:
        return N_("{name}: {value} is not a configured site. Choose from {other}.")
    return N_("{name}: {value} is not a configured site. Define it in SITES, or remove it here.")


def _whole_token_name(values: FaultValues) -> Marked:
    if values["nearest"]:
        return N_("{name} contains more than the token name. Enter only {nearest}.")
    return N_("{name} contains more than the token name. Enter only the part between “!” and “=”.")


def _timezone(values: FaultValues) -> Marked:
    if values["nearest"]:
        return N_("{name}: {value} is not a time zone. Did you mean {nearest}? Correct it.")
    return N_("{name}: {value} is not a time zone. Use an IANA name, as in Asia/Tokyo.")


def _web_page(values: FaultValues) -> Marked:
    if values["nearest"]:
        return N_("{name} contains more than the address of the web interface. Enter only {nearest}.")
    return N_("{name} contains more than the address of the web interface. Leave out everything from # or ?.")


# Keys: kind and reason (for wrong_type: the expected form). "" is for every other reason, such as an errno name.
FAULTS: Table = {
    ("no_config", ""): _no_config,
    ("config_syntax", ""): _syntax,
    ("config_error", ""): _config_error,
    ("missing", ""): _missing,
    ("placeholder_left", ""): N_(
        "{name}: {value} is the placeholder from the example. Enter your own value."
    ),
    ("unknown_name", ""): _unknown_name,
    ("unknown_name", "in_site"): _unknown_in_site,
    ("unknown_name", "key"): N_(
        "{name} contains a name that is not a setting of a site. Compare it with config.py.example."
    ),
    ("both_given", ""): N_("{name} and {other} are both set. Remove one of them."),
    ("wrong_type", ""): N_("{name}: {value} cannot be used. Compare it with config.py.example."),
    ("wrong_type", "text"): N_("{name}: {value} is not text. Enter text in quotes."),
    ("wrong_type", "id"): N_("{name}: {value} is not a Discord ID. Enter an ID of 17 to 20 digits."),
    ("wrong_type", "list_of_whole_numbers"): N_(
        "{name}: {value} is not a list of VMIDs. Enter whole numbers, as in {example}."
    ),
    ("wrong_type", "list_of_ids"): N_(
        "{name}: {value} is not a list of role IDs. Enter them as in {example}."
    ),
    ("wrong_type", "whole_number"): N_(
        "{name}: {value} is not a whole number. Enter only digits, without quotes or a unit."
    ),
    ("wrong_type", "yes_no_or_path"): N_(
        "{name}: {value} is invalid. Enter True or False without quotes, or the path of a CA file in quotes."
    ),
    ("wrong_type", "path"): N_("{name}: {value} is not a path. Enter a path in quotes."),
    ("wrong_type", "hosts"): N_(
        "{name}: {value} is not a host or a list of hosts. Enter it as in {example}."
    ),
    ("wrong_type", "fingerprints"): N_(
        "{name}: {value} is not a fingerprint or a table of them. Follow the example in config.py.example."
    ),
    ("wrong_type", "sites"): N_(
        "{name}: {value} is not a table of sites. Follow the example in config.py.example."
    ),
    ("wrong_type", "site"): N_(
        "{name}: {value} is not a table of settings. Follow the example in config.py.example."
    ),
    ("wrong_type", "list_of_sites"): N_(
        "{name}: {value} is not a list of sites. Enter their names, as in {example}."
    ),
    ("out_of_range", ""): N_("{name}: {value} is out of range. Enter a number from {low} to {high}."),
    ("zero_or_range", ""): N_(
        "{name}: {value} is out of range. Enter a number from {low} to {high}, or 0 to turn this off."
    ),
    ("not_an_id", ""): N_(
        "{name}: {value} is not a Discord ID. Turn on Developer Mode in Discord, then copy the "
        "ID (17 to 20 digits) from the context menu."
    ),
    ("guild_as_role", ""): N_(
        "{name}: {value} is the server ID, which stands for @everyone. Enter the ID of another "
        "role, or leave it empty to mention nobody."
    ),
    ("guild_as_role", "level"): N_(
        "{name}: {value} is the server ID, which stands for @everyone. Only VIEWER_ROLE_IDS can use it."
    ),
    ("bad_scope", ""): N_(
        "{name}, role {other}: {value} does not name guests. Enter them as in tag:web, pool:lab, node:pve1 or 101."
    ),
    ("bad_scope", "shape"): N_("{name} is invalid. Follow the example in config.py.example."),
    ("bad_scope", "empty"): N_("{name}: the role {value} has no guests. Add some, or remove the role."),
    ("bad_scope", "no_level"): N_(
        "{name}: the role {value} has no level. Add it to VIEWER_ROLE_IDS, OPERATOR_ROLE_IDS "
        "or ADMIN_ROLE_IDS as well."
    ),
    ("bad_scope", "no_site"): N_(
        "{name}, role {other}: {value} names a site that is not configured. Correct it or remove it."
    ),
    ("bad_scope", "any_site"): N_(
        "{name}, role {other}: {value} could be on any of the sites. Name the site, as in "
        "tag:home/web, or set FIRST_SITE."
    ),
    ("duplicate_host", ""): _duplicate_host,
    ("bad_site_name", ""): N_(
        "{name}: {value} is not a name for a site. Use 1 to 16 characters of a-z, 0-9 and -; "
        "in variables A-Z, 0-9, and _ instead of -."
    ),
    ("unknown_site", ""): _unknown_site,
    ("all_sites", ""): N_(
        "{name} contains every site, so no outage would stop the heartbeat. Leave out at least one."
    ),
    ("both_forms", ""): N_(
        "{name} is set together with {other}. Move these settings into a site, or remove them."
    ),
    ("bad_host", ""): N_(
        "{name}: {value} is not a host. Enter a host name or an IP address, as in {example}."
    ),
    ("bad_host", "url"): N_("{name}: {value} is a URL. Enter only the host, as in {example}."),
    ("bad_host", "path"): N_(
        "{name}: {value} contains more than a host. Enter only the host, as in {example}."
    ),
    ("bad_host", "port"): N_(
        "{name}: the port in {value} is not a number from 1 to 65535. Correct it, or leave it out for 8006."
    ),
    ("bad_user", ""): N_(
        "{name}: {value} is not a Proxmox user. Use the form user@realm, as in discord-bot@pve."
    ),
    ("user_with_token", ""): N_(
        "{name} contains more than the user. Enter only {user} here, and the token name in {other}."
    ),
    ("bad_token_name", ""): N_(
        "{name}: {value} is not a token name. Use at least 2 letters, digits and . _ -, "
        "starting with a letter."
    ),
    ("bad_token_name", "whole_token"): _whole_token_name,
    ("bad_token_name", "secret"): N_(
        "{name} contains the token value. Enter the token name here, and the value in PROXMOX_TOKEN_VALUE."
    ),
    ("bad_secret", ""): N_("{name} is invalid. Copy the token again."),
    ("bad_secret", "whole_token"): N_(
        "{name} contains more than the token value. Enter only the part after “=”."
    ),
    ("bad_secret", "characters"): N_(
        "{name} contains spaces, quotes or other characters that are not allowed in a token. "
        "Copy only the token again."
    ),
    ("bad_node_name", ""): N_(
        "{name}: {value} is not a node name. Enter it as Proxmox shows it, without a domain, as in pve1."
    ),
    ("bad_fingerprint", ""): N_(
        "{name}: {value} is not a SHA-256 fingerprint. Copy the 32 pairs of digits (AA:BB:…) "
        "shown by “pvenode cert info” on the node."
    ),
    ("bad_fingerprint", "several"): N_(
        "{name}: one fingerprint cannot be used for several hosts, because each node has its own "
        "certificate. Enter a table of hosts and fingerprints."
    ),
    ("bad_fingerprint", "no_host"): N_(
        "{name}: {value} is not in PROXMOX_HOST. Write it there in the same way, or remove it here."
    ),
    ("bad_language", ""): N_("{name}: {value} is not a supported language. Choose ja or en."),
    ("bad_log_format", ""): N_("{name}: {value} is not a log format. Choose text or json."),
    ("bad_listen", ""): N_(
        "{name}: {value} is not an address with a port. Use an IP address, such as 127.0.0.1:9464."
    ),
    ("bad_log_level", ""): N_("{name}: {value} is not a log level. Choose DEBUG, INFO, WARNING or ERROR."),
    ("bad_quiet_hours", ""): N_("{name}: {value} is not a time range. Use 24-hour times, as in 23:00-07:00."),
    ("bad_quiet_hours", "same"): N_(
        "{name}: {value} starts and ends at the same time. Enter two different times, or leave "
        "it empty for no quiet hours."
    ),
    ("bad_timezone", ""): _timezone,
    ("bad_url", ""): N_("{name} is not a URL. Copy the whole URL again."),
    ("bad_url", "characters"): N_(
        "{name} contains spaces, quotes or other characters that are not allowed in a URL. "
        "Copy only the URL again."
    ),
    ("bad_url", "scheme"): N_("{name} does not start with http:// or https://. Copy the whole URL again."),
    ("bad_url", "host"): _BAD_HOST,
    ("bad_url", "port"): _BAD_PORT,
    ("bad_web_url", ""): N_("{name} is not a URL. Copy it from the address bar of the browser."),
    ("bad_web_url", "characters"): N_(
        "{name} contains spaces, quotes or other characters that are not allowed in a URL, or is too long. "
        "Copy only the URL again."
    ),
    ("bad_web_url", "scheme"): N_(
        "{name} does not start with https://. Enter the address of the web interface, as in "
        "https://pve.example.com:8006."
    ),
    ("bad_web_url", "credentials"): N_(
        "{name} contains a user name or password. Remove everything between // and @."
    ),
    ("bad_web_url", "host"): _BAD_HOST,
    ("bad_web_url", "port"): _BAD_PORT,
    ("bad_web_url", "page"): _web_page,
    ("no_such_file", ""): N_(
        "{name}: no file found at {path}. Correct the path; relative paths start at the "
        "directory of config.py."
    ),
    ("unreadable_file", ""): N_(
        "{name}: the file at {path} cannot be read ({reason}). Check the file and its permissions."
    ),
    ("unreadable_file", "EACCES"): N_(
        "{name}: the bot has no permission to read the file at {path}. Grant it to the bot's user."
    ),
    ("unreadable_file", "EISDIR"): N_("{name}: {path} is a directory. Specify a file."),
    ("unreadable_file", "empty"): N_("{name}: the file at {path} is empty. Write the value into it."),
    ("unreadable_file", "no_certificate"): N_(
        "{name}: the file at {path} contains no certificate. Specify a CA file in PEM format."
    ),
    ("unreadable_file", "bad_path"): _BAD_PATH,
    ("data_dir_not_writable", ""): N_(
        "{name}: the directory at {path} cannot be used ({reason}). Choose another one."
    ),
    ("data_dir_not_writable", "EACCES"): N_(
        "{name}: the bot has no permission to write to {path}. Grant it to the bot's user, or "
        "choose another directory."
    ),
    ("data_dir_not_writable", "ENOENT"): N_(
        "{name}: the parent directory of {path} does not exist. Create it first, or correct the path."
    ),
    ("data_dir_not_writable", "EEXIST"): N_("{name}: {path} is a file. Specify a directory."),
    ("data_dir_not_writable", "EROFS"): N_(
        "{name}: the file system at {path} is read-only. Choose another directory."
    ),
    ("data_dir_not_writable", "bad_path"): _BAD_PATH,
}
