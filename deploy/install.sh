#!/bin/sh
# Install the bot as a systemd service on this machine: Debian 12 or newer, on a host, in a VM or in an LXC container.
#
#   sh deploy/install.sh             install or update from this folder
#   sh deploy/install.sh rollback    go back to the release that ran before
#   sh deploy/install.sh status      what is installed
#   sh deploy/install.sh check       what is wrong with the setup (bot.py --check)
#   sh deploy/install.sh remove      remove the program
#
# /opt/proxmox-bot/releases/…   one folder per release, with its packages; `current` and `previous` are links
# /etc/proxmox-bot              settings and secrets, readable only by root: made once, never changed, never removed
# /var/lib/proxmox-bot          the bot's data: never touched here
#
# These places, a service of the same name, no questions, and an update by the same command are what scripts such as
# the community scripts for Proxmox VE expect. The source may lie anywhere, also in /opt/proxmox-bot itself.
#
# Each command can be repeated. An interrupted one changes nothing that runs: `current` moves last.
set -eu
umask 022
# only the system's programs, and all of them: a plain `su` keeps the PATH of the caller
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

NAME=proxmox-bot
APP=/opt/$NAME
ETC=/etc/$NAME
UNIT=/etc/systemd/system/$NAME.service
DROPIN=$UNIT.d/lxc-without-nesting.conf
TOLD=$ETC/lxc-without-nesting
CHECK=/run/systemd/system/$NAME-check.service
CHECKED=/run/$NAME-check.txt
SOURCE=$(cd "$(dirname "$0")/.." && pwd)
# from deploy only these files: Docker Compose keeps its secrets beside them, and everybody may read a release
PARTS='bot.py bootstrap.py monitor_store.py proxmox_client.py requirements.txt pyproject.toml config.py.example
       adapters cogs core locales startup ui LICENSE CHANGELOG.md
       deploy/install.sh deploy/proxmox-bot.service deploy/lxc-without-nesting.conf'

say() { printf '%s\n' "$@"; }
fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
systemd_runs() { [ -d /run/systemd/system ]; }
target() { readlink "$APP/$1" 2>/dev/null || true; }

need_root() { [ "$(id -u)" = 0 ] || fail 'run this as root'; }

# Without this, a missing part would be noticed only when it is used: the first half of a pipe can fail unseen.
need_parts() {
    for each in $PARTS; do
        [ -r "$SOURCE/$each" ] || fail "$SOURCE/$each is missing: run this from a whole copy of the project"
    done
}

need_python() {
    PYTHON=$(command -v python3) || fail 'python3 is missing: apt install python3 python3-venv'
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail 'Python 3.11 or newer is needed'
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || fail 'venv is missing: apt install python3-venv'
}

# The name of a release: its version, and a hash of its files and of this Python.
release_name() {
    version=$(sed -n 's/^version = "\([0-9A-Za-z.+-]*\)"$/\1/p' "$SOURCE/pyproject.toml")
    [ -n "$version" ] || fail "no version in $SOURCE/pyproject.toml"
    # shellcheck disable=SC2086 # a list of names without spaces
    sum=$( (cd "$SOURCE" && find $PARTS -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
            "$PYTHON" -c 'import sys; print(sys.version, sys.executable)') | sha256sum | cut -c1-12)
    printf '%s-%s' "$version" "$sum"
}

build_release() {
    built=$APP/releases/$1
    [ -e "$built/complete" ] && return 0
    rm -rf "$built"
    mkdir -p "$built"
    say "building $built"
    # shellcheck disable=SC2086 # a list of names without spaces
    (cd "$SOURCE" && tar -cf - --exclude=__pycache__ --exclude='*.pyc' $PARTS) | tar -xf - --no-same-owner -C "$built"
    chmod -R u=rwX,go=rX "$built"
    "$PYTHON" -m venv "$built/.venv"
    "$built/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
        --require-hashes -r "$built/requirements.txt"
    (cd "$built" && .venv/bin/python -m compileall -q -j 0 adapters cogs core startup ui ./*.py)
    (cd "$built" && .venv/bin/python bot.py --help >/dev/null) || fail 'the new release does not start'
    : >"$built/complete"
}

point() { # point LINK TARGET: in one step
    ln -sfn "$2" "$APP/.$1.new" # also over one that an interrupted run has left
    mv -Tf "$APP/.$1.new" "$APP/$1"
}

make_settings() {
    install -d -m 0700 "$ETC"
    if [ ! -e "$ETC/config.py" ]; then
        # the secrets have files of their own
        sed -e '/^DISCORD_TOKEN = /d' -e '/^PROXMOX_TOKEN_VALUE = /d' "$SOURCE/config.py.example" >"$ETC/config.py.new"
        chmod 0600 "$ETC/config.py.new"
        mv "$ETC/config.py.new" "$ETC/config.py"
    fi
    for secret in discord_token proxmox_token_value; do
        [ -e "$ETC/$secret" ] || install -m 0600 /dev/null "$ETC/$secret"
    done
}

# LXC_WITHOUT_NESTING=1 says so where cannot_mount does not notice. It is remembered until LXC_WITHOUT_NESTING=0.
remember_nesting() {
    case ${LXC_WITHOUT_NESTING:-} in
        '') ;;
        1) : >"$TOLD" ;;
        0) rm -f "$TOLD" ;;
    esac
}

# Whether systemd may not mount anything here: an unprivileged container without nesting.
cannot_mount() {
    [ ! -e "$TOLD" ] || return 0
    systemd_runs && [ "$(systemd-detect-virt --container 2>/dev/null)" = lxc ] &&
        ! unshare --mount mount -t tmpfs none /mnt 2>/dev/null
}

put_file() { # put_file FROM TO: only if it differs
    cmp -s "$1" "$2" || install -D -m 0644 "$1" "$2"
}

put_unit() {
    put_file "$APP/current/deploy/$NAME.service" "$UNIT"
    remember_nesting
    if cannot_mount; then
        id "$NAME" >/dev/null 2>&1 ||
            useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin "$NAME"
        chown root:"$NAME" "$ETC"
        chmod 0750 "$ETC"
        find "$ETC" -maxdepth 1 -type f -exec chown root:"$NAME" {} + -exec chmod 0640 {} +
        put_file "$APP/current/deploy/lxc-without-nesting.conf" "$DROPIN"
    else
        rm -f "$DROPIN"
    fi
    if systemd_runs; then
        systemctl daemon-reload
        systemctl --quiet enable "$NAME"
    else
        mkdir -p /etc/systemd/system/multi-user.target.wants
        ln -sf "$UNIT" "/etc/systemd/system/multi-user.target.wants/$NAME.service"
    fi
}

is_filled_in() { ! grep -Eq '^[A-Z_]+ = "<.*>"|^(GUILD_ID|ALLOWED_CATEGORY_ID|ALERT_CHANNEL_ID) = 0$' "$ETC/config.py"; }

restart() {
    if ! is_filled_in; then
        say "To be asked for the settings:  cd $APP/current && .venv/bin/python bot.py --init --config $ETC/config.py" \
            "Or fill in $ETC/config.py, $ETC/discord_token and $ETC/proxmox_token_value, then: systemctl restart $NAME"
    elif systemd_runs; then
        systemctl restart "$NAME" || fail "it did not start: journalctl -u $NAME -n 30   (to go back: install.sh rollback)"
        say "running: journalctl -u $NAME -f"
    fi
}

forget_old_releases() {
    for each in "$APP"/releases/*; do
        case releases/${each##*/} in
            "$(target current)" | "$(target previous)") ;;
            *) rm -rf "$each" ;;
        esac
    done
}

do_install() {
    need_parts
    need_python
    release=$(release_name)
    build_release "$release"
    before=$(target current)
    make_settings
    if [ -n "$before" ] && [ "$before" != "releases/$release" ]; then
        point previous "$before"
    fi
    point current "releases/$release"
    put_unit
    forget_old_releases
    say "$NAME $release is installed"
    restart
}

do_rollback() {
    before=$(target previous)
    now=$(target current)
    if [ -z "$before" ] || [ "$before" = "$now" ] || [ ! -e "$APP/$before/complete" ]; then
        fail 'there is no release before this one'
    fi
    point current "$before"
    point previous "$now"
    put_unit
    say "back to ${before#releases/} (from ${now#releases/}; another rollback returns to it)"
    restart
}

do_status() {
    say "current:  $(target current)" "previous: $(target previous)"
    ! systemd_runs || systemctl --no-pager --lines=0 status "$NAME" || true
}

do_check() {
    [ -e "$APP/current" ] || fail 'nothing is installed'
    if systemd_runs && [ -e "$UNIT" ]; then
        check_as_service
    else
        check_as_root
    fi
}

# As the service itself: with its user, its sandbox and its secrets, and what `systemctl edit` has added. Root may write
# where the service may not.
check_as_service() {
    # a check that found something has failed, and would be listed by `systemctl --failed` from then on
    trap 'rm -rf "$CHECK" "$CHECK.d" "$CHECKED"; systemctl --quiet reset-failed "$NAME-check" 2>/dev/null || true
        systemctl daemon-reload' EXIT
    install -d -m 0755 "$CHECK.d"
    for each in "$UNIT" "$UNIT.d"/*.conf; do
        [ -e "$each" ] || continue
        copy=$CHECK${each#"$UNIT"}
        sed -E -e '/^(Wants|On(Success|Failure)|Type|NotifyAccess|WatchdogSec|Restart[A-Za-z]*|Standard(Output|Error))=/d' \
            -e 's/^(ExecStart=.*bot\.py)/\1 --check/' "$each" >"$copy"
    done
    # the same user name, so that both have the same UID while the service runs
    sed -i "s/^DynamicUser=yes/&\nUser=$NAME/" "$CHECK"
    printf '%s\n' '[Service]' Type=oneshot "StandardOutput=truncate:$CHECKED" >"$CHECK.d/zz-check.conf"
    : >"$CHECKED"
    systemctl daemon-reload
    systemctl start "$NAME-check" 2>/dev/null || true
    found=$(systemctl show --property=ExecMainStatus --value "$NAME-check")
    [ -s "$CHECKED" ] || fail "the service cannot start: journalctl -u $NAME-check -n 20"
    cat "$CHECKED"
    exit "${found:-1}"
}

# Without systemd, with the settings of the service.
check_as_root() {
    cd "$APP/current"
    set -- CREDENTIALS_DIRECTORY="$ETC" DATA_DIR="/var/lib/$NAME"
    if [ -e "$ETC/environment" ]; then # the EnvironmentFile of the unit
        while IFS= read -r line || [ -n "$line" ]; do
            value=${line#*=}
            case $value in \"*\" | \'*\') value=${value#?} value=${value%?} ;; esac
            case $line in [A-Za-z_]*=*) set -- "$@" "${line%%=*}=$value" ;; esac
        done <"$ETC/environment"
    fi
    exec env "$@" .venv/bin/python bot.py --check --config "$ETC/config.py"
}

do_remove() {
    ! systemd_runs || systemctl --quiet disable --now "$NAME" 2>/dev/null || true
    rm -f "$UNIT" "$DROPIN" "/etc/systemd/system/multi-user.target.wants/$NAME.service"
    rmdir "$UNIT.d" 2>/dev/null || true
    rm -rf "$APP"
    ! systemd_runs || systemctl daemon-reload
    say "removed. Kept: $ETC (settings and secrets) and /var/lib/$NAME (data)"
}

need_root
case ${LXC_WITHOUT_NESTING:-} in
    '' | 0 | 1) ;;
    *) fail 'LXC_WITHOUT_NESTING must be 1 or 0' ;;
esac
case ${1:-install} in
    install | update) do_install ;;
    rollback) do_rollback ;;
    status) do_status ;;
    check) do_check ;;
    remove) do_remove ;;
    *) fail 'the command must be install, update, rollback, status, check or remove' ;;
esac
