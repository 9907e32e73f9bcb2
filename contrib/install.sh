#!/bin/sh
# Put syncd where systemd finds it: a virtual environment in /opt/syncd, the unit, the folders, shell completion.
#
#   sudo sh contrib/install.sh                 from a checkout: this version, with all its connectors
#   sudo sh contrib/install.sh --with syncd-acme --with syncd-other
#   sudo sh contrib/install.sh --uninstall     take away what it put there; configuration and state stay
#
# It may be run again: that is the way to upgrade. A running daemon is restarted only with --restart.
set -eu

prefix=/opt/syncd
destdir=
python=python3
extras=
action=install
restart=no

usage() {
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    cat <<EOF

Options:
  --prefix DIR     where the program goes ($prefix)
  --destdir DIR    put everything under DIR instead of / (packagers, tests); systemd is left alone
  --python PROGRAM a Python of 3.11 or newer ($python)
  --with PACKAGE   a further connector from PyPI or a path; may be given several times
  --restart        restart the daemon if it runs
  --uninstall      remove program and unit
EOF
}

die() {
    echo "install.sh: $1" >&2
    exit "${2:-1}"
}

while [ $# -gt 0 ]; do
    case $1 in
    --prefix | --destdir | --python | --with)
        [ $# -ge 2 ] || die "$1 needs a value" 2
        case $1 in
        --prefix) prefix=$2 ;;
        --destdir) destdir=$2 ;;
        --python) python=$2 ;;
        --with) extras="$extras
$2" ;;
        esac
        shift
        ;;
    --restart) restart=yes ;;
    --uninstall) action=uninstall ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) die "unknown option $1 (--help lists them)" 2 ;;
    esac
    shift
done

case $prefix in /*) ;; *) die "--prefix must be an absolute path" 2 ;; esac
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
unit=$destdir/etc/systemd/system/syncd.service
link=$destdir/usr/local/bin/syncd
completion=$destdir/usr/local/share/bash-completion/completions/syncd
target=$destdir$prefix

systemd() { # only where this system's own systemd is meant, and runs
    if [ -z "$destdir" ] && [ -d /run/systemd/system ]; then systemctl "$@"; fi
}

[ -n "$destdir" ] || [ "$(id -u)" -eq 0 ] || die "run it as root (sudo sh contrib/install.sh)"

if [ "$action" = uninstall ]; then
    systemd disable --now syncd.service 2>/dev/null || true
    rm -f "$unit" "$completion"
    [ "$(readlink "$link" 2>/dev/null || true)" != "$prefix/bin/syncd" ] || rm -f "$link"
    if [ -e "$target/.syncd" ]; then rm -rf "$target"; fi # only what this script made
    systemd daemon-reload
    echo "Removed. Configuration (/etc/syncd) and state (/var/lib/syncd) were left where they are."
    exit 0
fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "$python is older than 3.11 (--python names another)"
"$python" -c 'import venv, ensurepip' || die "$python has no venv module: apt install python3-venv"
if [ -e "$target" ] && [ ! -e "$target/.syncd" ] && [ -n "$(ls -A "$target")" ]; then
    die "$target exists and is not syncd's; choose another --prefix"
fi

echo "Program: $target"
mkdir -p "$target"
: >"$target/.syncd"
"$python" -m venv "$target"
pip() { "$target/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
pip install --requirement "$here/requirements-runtime.lock"
pip install --no-deps --force-reinstall "$here" "$here/connectors/google" "$here/connectors/http" "$here/connectors/microsoft" "$here/connectors/singer" "$here/connectors/zoho"
printf '%s\n' "$extras" | while IFS= read -r extra; do
    [ -z "$extra" ] || pip install "$extra"
done

echo "Unit: $unit"
install -D -m 644 "$here/syncd.service" "$unit"
if [ "$prefix" != /opt/syncd ]; then
    sed -i "s|^Environment=PATH=/opt/syncd/bin:|Environment=PATH=$prefix/bin:|" "$unit"
fi
install -d -m 755 "$destdir/etc/syncd" "$destdir/usr/local/bin"
ln -sfn "$prefix/bin/syncd" "$link"
install -d -m 755 "$(dirname "$completion")"
"$target/bin/syncd" completion bash >"$completion"
version=$("$target/bin/syncd" --version)
if [ -n "$destdir" ]; then # from now on the programs start where they will lie
    for program in "$target"/bin/*; do
        [ -L "$program" ] || sed -i "1s|^#!$target|#!$prefix|" "$program"
    done
fi
systemd daemon-reload
[ "$restart" = no ] || systemd try-restart syncd.service

cat <<EOF
Installed $version.
Next: put YAML into $destdir/etc/syncd (start from $here/config), then
    syncd validate /etc/syncd
    systemctl enable --now syncd
    journalctl -u syncd -f
The unit makes its user, /var/lib/syncd (state) and /run/syncd by itself.
EOF
