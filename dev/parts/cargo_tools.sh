# shellcheck shell=bash
# Cargo's subcommands, at pinned versions, in a folder of our own.

# shellcheck disable=SC2034 # read by dev/install
# Must equal the pgrx version in extension/Cargo.toml.
CARGO_PGRX_VERSION=0.18.1
# shellcheck disable=SC2034
CARGO_DENY_VERSION=0.20.2
# shellcheck disable=SC2034
OHA_VERSION=1.16.0

# need_cargo_tool NAME VERSION WHY [OPTION...], of cargo install.
need_cargo_tool() {
    local name=$1 version=$2 why=$3
    shift 3
    if cargo_tool_already "$name" "$version"; then return; fi
    need "$name $version, which $why (compiled from source, some minutes)" \
        "see that cargo reaches its registry" install_cargo_tool "$name" "$version" "$@"
}

cargo_tool_already() {
    [ -x "$DEED_CACHE/tools/bin/$1" ] && grep -qs "^\"$1 $2 " "$DEED_CACHE/tools/.crates.toml"
}

# A debug build if nothing else is said: it compiles in a third of the time and is fast enough.
install_cargo_tool() {
    local target name=$1 version=$2
    shift 2
    if [ $# = 0 ]; then set -- --debug; fi
    exec 9>"$DEED_CACHE/locks/tools"
    flock 9
    if cargo_tool_already "$name" "$version"; then return; fi
    target=$(mktemp -d "$DEED_CACHE/.tools-XXXXXX")
    # shellcheck disable=SC2064 # expands now on purpose: `target` is local
    trap "rm -rf '$target'" EXIT
    # From the clone's folder, so that the pinned toolchain compiles it.
    cd "$DEED_ROOT" || return
    CARGO_TARGET_DIR=$target cargo install --locked "$@" --force --root "$DEED_CACHE/tools" "$name@=$version"
}
