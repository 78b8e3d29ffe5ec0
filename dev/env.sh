# shellcheck shell=bash
# Sourced by every script and make target: where this clone's parts lie.
# The caches are shared by all clones of a user; DEED_PRIVATE is this clone's own.

DEED_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
DEED_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/deed

# Not below the home folder: the server's user must reach it, and Unix socket paths end at 107 bytes.
DEED_PRIVATE=/var/tmp/deed-$(id -u)-$(printf %s "$DEED_ROOT" | sha256sum | cut -c1-8)

# Postgres refuses to run as root, so root's servers run as this user.
DEED_SERVER_USER=
if [ "$(id -u)" = 0 ]; then DEED_SERVER_USER=postgres; fi

CARGO_TARGET_DIR=$DEED_CACHE/target
PGRX_HOME=$DEED_PRIVATE/pgrx
PATH=$DEED_CACHE/tools/bin:$PATH

export DEED_ROOT DEED_CACHE DEED_PRIVATE DEED_SERVER_USER CARGO_TARGET_DIR PGRX_HOME PATH

# Left set but empty, it breaks the build script of pgrx-pg-sys.
unset PGRX_PG_CONFIG_PATH
