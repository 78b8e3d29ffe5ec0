# shellcheck shell=bash
# What holds docs/openapi.json to its form and to the server: the linter spectral and the tester
# schemathesis; and other programs and libraries that come as wheels. All of their versions are pinned.

need_spectral() {
    local pin
    pin=$(pin_of tests/openapi/package-lock.json)
    if in_place_already "$DEED_CACHE/spectral" "$pin"; then return; fi
    need "spectral, which lints the description of the HTTP side" "see that npm reaches its registry" \
        in_place "$DEED_CACHE/spectral" "$pin" unpack_spectral
}

unpack_spectral() {
    cp "$DEED_ROOT"/tests/openapi/package{,-lock}.json "$1"
    cd "$1" || return
    npm ci --silent --no-audit --no-fund --ignore-scripts
}

# need_python_packages NAME REQUIREMENTS WHY: into a folder of their own, beside Python's.
need_python_packages() {
    local folder=$DEED_CACHE/$1 pin
    pin=$(pin_of "$2")
    if in_place_already "$folder" "$pin"; then return; fi
    need "$1 from Python's registry, which $3" "see that pip reaches its registry" \
        in_place "$folder" "$pin" unpack_python_packages "$DEED_ROOT/$2"
}

unpack_python_packages() {
    python3 -m pip -q --disable-pip-version-check install --no-deps --only-binary=:all: --target "$2" -r "$1"
}

pin_of() { sha256sum "$DEED_ROOT/$1" | cut -d' ' -f1; }
