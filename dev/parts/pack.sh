# shellcheck shell=bash
# A package: the extension for one Postgres major, the consumer, and all that an operator runs or reads.

version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$DEED_ROOT/Cargo.toml")

# tarball_of MAJOR FOLDER
tarball_of() { printf '%s/%s.tar.gz\n' "$2" "$(name_of "$1")"; }

name_of() { printf 'deed-%s-pg%s-linux-x86_64\n' "$version" "$1"; }

# Compilers write the paths of sources into their output: what is packed must not tell, nor depend on, where this clone lies.
# By the triple's own variables: RUSTFLAGS would replace the flags that cargo-pgrx sets, CFLAGS those of librdkafka.
forget_paths() {
    local rust=() registry
    for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do rust+=("--remap-path-prefix=$registry=/crates"); done
    rust+=("--remap-path-prefix=$CARGO_TARGET_DIR=/target" "--remap-path-prefix=$DEED_ROOT=/deed")
    export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS=${rust[*]}
    export CFLAGS_x86_64_unknown_linux_gnu="-ffile-prefix-map=$CARGO_TARGET_DIR=/target -ffile-prefix-map=$DEED_PRIVATE=/postgres"
}

# With the feature that the tests have, too.
compile_consumer() { cargo build --release -p deed-consumer --features otel; }

# third_party_licences FOLDER: what is linked into the two programs, by whose terms, and the texts of these.
third_party_licences() {
    local tree name version terms folder
    mkdir "$1"
    tree=$(cargo tree --locked --offline -p deed -p deed-consumer --features deed-consumer/otel --edges normal,no-proc-macro --prefix none --format '{p} {l}' |
        sed -n 's/ (\*)$//; /(\//d; s/^\([^ ]*\) v\([^ ]*\) /\1 \2 /p' | sort -u)
    printf '%s\n' "$tree" >"$1/INDEX"
    while read -r name version terms; do
        for folder in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$name-$version"; do
            # One folder down are the sources in C that a crate carries.
            (cd "$folder" && find . -maxdepth 2 -xtype f \
                \( -iregex '\./\([^/]*/\)?\(licen[cs]e\|copying\|notice\|unlicense\)[^/]*' -o -ipath './licen[cs]es/*' \) \
                -exec install -D -m 644 {} "$1/$name-$version/{}" \;)
        done
    done <<<"$tree"
}

# compile_extension MAJOR FOLDER: below FOLDER/MAJOR, at the paths that this clone's copy of Postgres has.
compile_extension() {
    cargo pgrx package --manifest-path extension/Cargo.toml --pg-config "$DEED_PRIVATE/pg/$1/bin/pg_config" \
        --no-default-features --features "pg$1" --out-dir "$2/$1"
}

# pack_compiled MAJOR COMPILED OUT
pack_compiled() {
    pack "$1" "$2/$1" "$CARGO_TARGET_DIR/release/deed-consumer" "$3"
}

# pack_built MAJOR OUT
pack_built() {
    if [ ! -x "$DEED_PRIVATE/pg/$1/bin/pg_config" ] || [ ! -x "$DEED_PRIVATE/bin/deed-consumer" ]; then
        fail "nothing is built for Postgres $1" "run dev/install and 'dev/build $1'"
    fi
    pack "$1" "" "$DEED_PRIVATE/bin/deed-consumer" "$2"
}

# pack MAJOR ROOT CONSUMER OUT: ROOT is in front of the folders that pg_config names.
pack() (
    major=$1 root=$2 consumer=$3 out=$4
    config=$DEED_PRIVATE/pg/$major/bin/pg_config
    extension=$root$("$config" --sharedir)/extension
    name=$(name_of "$major")
    mkdir -p "$out"
    work=$(mktemp -d "$out/.new-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    to=$work/$name
    mkdir -p "$to"/{bin,lib,extension}

    install -m 755 "$consumer" "$to/bin/deed-consumer"
    install -m 755 "$root$("$config" --pkglibdir)/deed.so" "$to/lib/deed.so"
    # The names of functions stay, for stack traces and profilers.
    strip --strip-debug "$to/bin/deed-consumer" "$to/lib/deed.so"
    # Named one by one: a copy of Postgres may hold scripts of versions that this commit doesn't know.
    install -m 644 "$extension/deed.control" "$extension/deed--$version.sql" extension/sql/deed--*.sql "$to/extension/"
    cp -R sql deploy docs postgrest.conf README.md CHANGELOG.md LICENSE "$to/"
    rm -r "$to/deploy/package"
    third_party_licences "$to/licences"
    install -m 755 deploy/package/install-extension.sh "$to/"
    sed "s/@MAJOR@/$major/g; s/@VERSION@/$version/g" deploy/package/INSTALL >"$to/INSTALL"
    chmod -R u+w,a+rX,go-w "$to"

    # The same files give the same bytes: sorted, of the commit's time, nobody's own.
    tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --format=gnu \
        --mtime="@$(git log -1 --format=%ct)" -cf - "$name" | gzip -9n >"$work/$name.tar.gz"
    (cd "$work" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
    mv "$work/$name.tar.gz" "$work/$name.tar.gz.sha256" "$out/"
)
