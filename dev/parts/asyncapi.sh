# shellcheck shell=bash
# The published JSON Schema of AsyncAPI 3.0, as an npm package carries it: docs/asyncapi.json is held
# to it.

ASYNCAPI_PACKAGE=@asyncapi/specs@6.11.1
ASYNCAPI_SHA256=d4571a420e6ffb7fcc7066c95a6db1202f299a3c51daa103d0706bf30f95e626

need_asyncapi() {
    if in_place_already "$DEED_CACHE/asyncapi-3.0.0" "$ASYNCAPI_PACKAGE"; then return; fi
    need "the schema of AsyncAPI 3.0, which describes the topics" "see that 'npm view $ASYNCAPI_PACKAGE' answers" \
        in_place "$DEED_CACHE/asyncapi-3.0.0" "$ASYNCAPI_PACKAGE" unpack_asyncapi
}

unpack_asyncapi() {
    npm pack --silent --ignore-scripts "$ASYNCAPI_PACKAGE"
    tar -xzf ./*.tgz
    check_sha256 package/schemas/3.0.0.json "$ASYNCAPI_SHA256"
    install -m 644 package/schemas/3.0.0.json "$1/schema.json"
}
