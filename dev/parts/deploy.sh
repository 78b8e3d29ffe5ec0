# shellcheck shell=bash
# What checks the files of deploy/: promtool, as Debian packs it, and hadolint, as a wheel carries it.

need_promtool() {
    if in_place_already "$DEED_CACHE/prometheus" "debian 12"; then return; fi
    need "promtool, which checks the alerts" "see that apt reaches its registry" \
        in_place "$DEED_CACHE/prometheus" "debian 12" unpack_promtool
}

# Not installed: Debian would start a Prometheus.
unpack_promtool() {
    download_debian bookworm prometheus
    dpkg -x ./*.deb prometheus
    install -m 755 prometheus/usr/bin/promtool "$1/promtool"
}
