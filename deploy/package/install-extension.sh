#!/bin/sh
# Puts the extension's files into a Postgres: ./install-extension.sh PKGLIBDIR SHAREDIR
# Needs nothing but a shell and coreutils, and the right to write into both folders.
set -eu

fail() {
    printf 'error: %s\n  next: %s\n' "$1" "$2" >&2
    exit 1
}

ask="ask the server: psql -Atc \"SELECT name, setting FROM pg_config WHERE name IN ('PKGLIBDIR', 'SHAREDIR')\""
[ $# = 2 ] || fail "expected two folders, PKGLIBDIR and SHAREDIR, got $# arguments" "$ask"
[ -n "$1" ] && [ -n "$2" ] || fail "a folder is empty: psql had no answer" "see that psql reaches the server; then $ask"
[ -e "$1/plpgsql.so" ] || fail "$1 is not where a Postgres has its libraries: plpgsql.so is not there" "$ask"
[ -e "$2/extension/plpgsql.control" ] ||
    fail "$2 is not where a Postgres has its shared files: extension/plpgsql.control is not there" "$ask"
here=$(dirname "$0")

# put FOLDER MODE FILE...: renamed into place. A session keeps the library that it has loaded, and none ever meets half a
# file; written over in place, the library would crash those that run it.
put() {
    folder=$1 mode=$2
    shift 2
    for file in "$@"; do
        name=$(basename "$file")
        cp "$file" "$folder/.$name.new"
        chmod "$mode" "$folder/.$name.new"
        mv -f "$folder/.$name.new" "$folder/$name"
    done
}

# The control file, which names the version that is new, comes last.
put "$1" 755 "$here/lib/deed.so"
put "$2/extension" 644 "$here"/extension/deed--*.sql
put "$2/extension" 644 "$here/extension/deed.control"

echo "installed: CREATE EXTENSION deed, or ALTER EXTENSION deed UPDATE, in each database"
