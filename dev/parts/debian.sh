# shellcheck shell=bash
# The machine itself: which one is supported, and the Debian packages that the rest builds on.

# Shared libraries of Debian's own postgresql-15, which is unpacked and not installed.
POSTGRES_15_LIBRARIES=(libgssapi-krb5-2 libicu72 libldap-2.5-0 liblz4-1 libpam0g libpq5 libreadline8
    libselinux1 libssl3 libsystemd0 libxml2 libxslt1.1 libzstd1 tzdata)

require_supported_machine() {
    local tool hint
    if [ "$(uname -sm)" != "Linux x86_64" ] || ! grep -qs '^VERSION_ID="12"' /etc/os-release ||
        ! grep -qs '^ID=debian' /etc/os-release; then
        fail "only Debian 12 on x86_64 is supported, this is $(uname -sm)" "use such a machine or container"
    fi
    for tool in "cargo:Rust with rustup" "java:a JDK 17" "mvn:Maven" "npm:Node with npm"; do
        hint=${tool#*:}
        command -v "${tool%%:*}" >/dev/null || fail "${tool%%:*} is not in PATH" "install $hint, then start again"
    done
}

need_debian_packages() {
    local wanted missing=() package installed
    wanted=(build-essential ca-certificates clang curl libclang-dev libssl-dev pkg-config unzip zlib1g-dev)
    if [ "$1" = test ]; then
        # systemd's own analyzer looks at the unit; nothing of it is started.
        wanted+=("${POSTGRES_15_LIBRARIES[@]}" systemd)
        # pgrx's test framework starts its server with sudo when it runs as root.
        if [ -n "$DEED_SERVER_USER" ]; then wanted+=(sudo); fi
    fi
    if ! python3 -c 'import pip' 2>/dev/null; then wanted+=(python3-pip); fi
    # Of all packages: asked for one that it never heard of, it fails.
    installed=$(dpkg-query -W -f '${Package}=${db:Status-Status}\n')
    for package in "${wanted[@]}"; do
        if ! grep -qx "$package=installed" <<<"$installed"; then missing+=("$package"); fi
    done
    if [ ${#missing[@]} = 0 ]; then return; fi
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null ||
            fail "Debian packages are missing and neither root nor sudo is at hand" "as root: apt-get install ${missing[*]}"
        # Asks for the password now, where it can be seen.
        sudo -v || fail "sudo refused" "as root: apt-get install ${missing[*]}"
    fi
    need "Debian packages to build and run the parts: ${missing[*]}" \
        "see that 'apt-get update' reaches Debian's packages and no other apt runs" \
        install_debian_packages "${missing[@]}"
}

install_debian_packages() {
    as_root apt-get update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
}

need_server_user() {
    if [ -z "$DEED_SERVER_USER" ] || getent passwd "$DEED_SERVER_USER" >/dev/null; then return; fi
    need "the system user '$DEED_SERVER_USER', because Postgres refuses to run as root" \
        "create the user yourself" \
        useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /bin/sh "$DEED_SERVER_USER"
}

# download_debian SUITE PACKAGE...: .deb files of another Debian release or without installing them,
# into the current folder. Uses the machine's own active sources, with the suite exchanged, in a
# private apt state: the system's lists stay as they are.
download_debian() {
    local suite=$1 apt
    shift
    mkdir -p apt/sources apt/lists/partial apt/cache/archives/partial
    debian_sources "$suite" apt/sources
    apt=(apt-get -q
        -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$PWD/apt/sources"
        -o "Dir::State::lists=$PWD/apt/lists" -o "Dir::Cache=$PWD/apt/cache"
        -o APT::Get::List-Cleanup=0 -o APT::Sandbox::User=root -o Acquire::Languages=none)
    "${apt[@]}" update
    "${apt[@]}" download "${@/%//$suite}"
}

# debian_sources SUITE FOLDER: the active sources of Debian 12 itself (not of third parties, security
# or updates), naming SUITE instead; both the deb822 and the one-line form.
debian_sources() {
    local suite=$1 folder=$2
    find /etc/apt -path '/etc/apt/sources.list.d/*.sources' -exec cat {} + | awk -v suite="$suite" '
        BEGIN { RS = ""; FS = "\n"; ORS = "\n\n" }
        tolower($0) !~ /(^|\n)enabled:[ \t]*(no|false|0)/ && $0 ~ /(^|\n)Suites:([^\n]*[ \t])?bookworm([ \t\n]|$)/ {
            for (i = 1; i <= NF; i++) if ($i ~ /^Suites:/) $i = "Suites: " suite
            text = ""
            for (i = 1; i <= NF; i++) text = text (i > 1 ? "\n" : "") $i
            print text
        }' >"$folder/debian.sources"
    find /etc/apt \( -path /etc/apt/sources.list -o -path '/etc/apt/sources.list.d/*.list' \) -exec cat {} + |
        sed -nE "s/^[[:space:]]*(deb[[:space:]]+(\[[^]]*\][[:space:]]+)?[^[:space:]]+[[:space:]]+)bookworm([[:space:]].*)/\1$suite\3/p" \
            >"$folder/debian.list"
    if [ ! -s "$folder/debian.sources" ] && [ ! -s "$folder/debian.list" ]; then
        echo "no active apt source for the suite 'bookworm' below /etc/apt: add Debian 12's own"
        return 1
    fi
}
