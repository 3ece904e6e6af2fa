#!/usr/bin/env bash
# Installs the Debian packages that the test cluster needs and this machine lacks.
#
#   deps.sh plane     openssl, curl, flock, prometheus
#   deps.sh unit      plane's, and chromium with a font
#   deps.sh node      plane's, and containerd, runc, CNI plugins, iptables, iproute2, conntrack
#
# Packages that start a service are kept from doing so: the cluster runs these programs itself, with its own configuration. A service
# that already runs is left alone. Nothing missing: nothing is done, without root too. Something missing and no root or no apt-get: says
# what, and exits with 3.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/lib/common.sh"

# program or file: package
plane="openssl:openssl curl:curl flock:util-linux prometheus:prometheus"
unit="$plane chromium:chromium /usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf:fonts-liberation"
node="$plane containerd:containerd runc:runc /usr/lib/cni/bridge:containernetworking-plugins iptables:iptables ip:iproute2
  conntrack:conntrack"

case ${1:-} in
  plane) wanted=$plane ;;
  unit) wanted=$unit ;;
  node) wanted=$node ;;
  *) usage "$0" ;;
esac

present() { [[ $1 == /* && -e $1 ]] || PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null; }

missing=()
for pair in $wanted; do
  present "${pair%%:*}" || missing+=("${pair##*:}")
done
((${#missing[@]})) || exit 0

if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
  log "missing: ${missing[*]}"
  log "as root on Debian or Ubuntu: apt-get install --no-install-recommends ${missing[*]}"
  exit 3
fi

mkdir -p "$cache"
exec 9>"$cache/deps.lock"
flock 9

# Debian's maintainer scripts ask policy-rc.d before they start a service; 101 forbids it.
policy=/usr/sbin/policy-rc.d saved=
restore_policy() {
  rm -f "$policy"
  [[ -z $saved ]] || mv "$saved" "$policy"
}
trap restore_policy EXIT
trap 'exit 130' INT TERM
if [[ -e $policy || -L $policy ]]; then
  saved=$(mktemp -u "$policy.XXXXXX")
  mv "$policy" "$saved"
fi
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

log "installing ${missing[*]} ..."
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
{
  "${apt[@]}" update
  "${apt[@]}" install --no-install-recommends "${missing[@]}"
} >"$cache/deps.log" 2>&1 9>&- || { tail -n 20 "$cache/deps.log" >&2; die "apt-get failed; the whole output is in $cache/deps.log"; }

# Where systemd runs, the new services would start at the next boot.
if [[ -d /run/systemd/system ]]; then
  for package in "${missing[@]}"; do
    [[ $package != containerd && $package != prometheus ]] || systemctl disable "$package.service" >/dev/null 2>&1 || true
  done
fi
log "installed ${missing[*]} in $SECONDS s"
