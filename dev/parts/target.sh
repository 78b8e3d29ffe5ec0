# shellcheck shell=bash
# All clones share one target folder, so that a second clone compiles little.

# Waits for other clones' builds and keeps them out until release_target or the script's end.
# Cargo tells the workspace's own packages apart neither by clone nor by content, only by name and
# modification times: what another clone built could be taken for ours, so it is removed first.
hold_target() {
    local stamp=$CARGO_TARGET_DIR/.built-by
    mkdir -p "$DEED_CACHE/locks" "$CARGO_TARGET_DIR"
    exec 8>"$DEED_CACHE/locks/target"
    if ! flock -n 8; then
        echo "waiting: another clone builds in $CARGO_TARGET_DIR"
        flock 8
    fi
    if [ "$(cat "$stamp" 2>/dev/null)" != "$DEED_ROOT" ]; then
        cargo clean --quiet -p deed -p deed-core -p deed-model -p deed-consumer -p deed-proxy -p deed-tests
        printf '%s\n' "$DEED_ROOT" >"$stamp"
    fi
}

release_target() {
    exec 8>&-
}
