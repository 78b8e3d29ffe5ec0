# shellcheck shell=bash
# Steps: what is missing is collected first, then installed one by one with progress.

step_titles=()
step_hints=()
step_commands=()

# fail WHAT NEXT: one line for what is wrong, one for what to do about it.
fail() {
    printf 'error: %s\n  next: %s\n' "$1" "$2" >&2
    exit 1
}

# need TITLE HINT COMMAND...: adds a step; HINT is what to try when it fails.
need() {
    step_titles+=("$1")
    step_hints+=("$2")
    shift 2
    step_commands+=("$(printf '%q ' "$@")")
}

run_steps() {
    local total=${#step_titles[@]} n
    if [ "$total" = 0 ]; then return; fi
    mkdir -p "$DEED_CACHE/locks" "$DEED_CACHE/logs"
    for ((n = 0; n < total; n++)); do
        printf 'step %d of %d: %s\n' "$((n + 1))" "$total" "${step_titles[n]}"
        run_step "$DEED_CACHE/logs/step-$$-$((n + 1)).log" "${step_hints[n]}" "${step_commands[n]}"
    done
}

run_step() {
    local log=$1 hint=$2 command=$3 began=$SECONDS status
    tell_time "$began" 8>&- &
    ticker=$!
    # Ctrl-C doesn't reach what a script started in the background.
    trap 'kill "$ticker" 2>/dev/null' EXIT
    trap 'exit 130' INT TERM
    # A subshell outside any condition, so that `set -e` holds inside it.
    set +e
    (
        set -e
        eval "$command"
    ) >"$log" 2>&1
    status=$?
    trap - EXIT INT TERM
    # Ended by a signal, the clock's own status is one of failure.
    kill "$ticker"
    wait "$ticker" 2>/dev/null
    set -e
    if [ "$status" != 0 ]; then
        tail -n 40 "$log" | sed 's/^/  | /' >&2
        fail "this step failed (all of its output: $log)" "$hint, then start the same command again"
    fi
    rm -f "$log"
    printf '  done in %d s\n' "$((SECONDS - began))"
}

# A `sleep` that outlives us for a moment must not hold our output open.
tell_time() {
    while sleep 15 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        printf '  ... %d s\n' "$((SECONDS - $1))"
    done
}

# in_place FOLDER PIN COMMAND...: runs COMMAND in an empty folder, which then becomes FOLDER with the
# file .pin beside its content. Other clones wait at the lock and find it done.
in_place() {
    local folder=$1 pin=$2 new
    shift 2
    exec 9>"$DEED_CACHE/locks/$(basename "$(dirname "$folder")")-$(basename "$folder")"
    flock 9
    if in_place_already "$folder" "$pin"; then return; fi
    mkdir -p "$(dirname "$folder")"
    new=$(mktemp -d "$(dirname "$folder")/.new-XXXXXX")
    # shellcheck disable=SC2064 # expands now on purpose: `new` is local
    trap "rm -rf '$new' '$new-old'" EXIT
    mkdir "$new/content" "$new/work"
    (cd "$new/work" && "$@" "$new/content")
    printf '%s\n' "$pin" >"$new/content/.pin"
    # The server's user reads these too, whatever the umask.
    chmod -R u+w,a+rX "$new/content"
    if [ -e "$folder" ]; then mv -T "$folder" "$new-old"; fi
    mv -T "$new/content" "$folder"
}

in_place_already() {
    [ -f "$1/.pin" ] && [ "$(<"$1/.pin")" = "$2" ]
}

# check_sha256 FILE DIGEST
check_sha256() {
    if ! printf '%s  %s\n' "$2" "$1" | sha256sum --check --status; then
        echo "$1 is not the file that was pinned: sha256 $(sha256sum "$1" | cut -d' ' -f1), expected $2"
        return 1
    fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}
