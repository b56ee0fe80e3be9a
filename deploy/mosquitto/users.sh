#!/bin/sh
# Users of the broker beside ingest and publisher; deploy/mqtt-users runs this in its container.
#   users.sh ACTION NAME [DATA [PID of the broker]]
# The broker takes changes without a restart; connections that are open stay open.
set -eu
umask 077
action=${1:-} name=${2:-} data=${3:-/mosquitto/data} broker=${4:-1}

check_name() {
  printf '%s' "$name" | grep -Eqx '[A-Za-z0-9_.-]{1,64}' &&
    [ "$name" != ingest ] && [ "$name" != publisher ] && return
  echo "name: 1 to 64 of A-Z a-z 0-9 _ . -, neither ingest nor publisher" >&2
  exit 2
}
known() { cut -d : -f 1 users | grep -Fqx "$name"; }
without() { awk -F : -v name="$name" '$1 != name' "$1"; }

cd "$data"
touch users
case $action in
  list)
    cut -d : -f 1 users
    exit
    ;;
  add)
    check_name
    password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    printf '%s:%s\n' "$name" "$password" > line
    mosquitto_passwd -U line
    ;;
  remove)
    check_name
    known || { echo "there is no user $name" >&2; exit 1; }
    : > line
    ;;
  *)
    echo "usage: add NAME, remove NAME or list" >&2
    exit 2
    ;;
esac

# start.sh adds `users` to the two of its own; `passwd` is what the broker reads.
for file in users passwd; do
  { without "$file"; cat line; } > "$file.new"
done
rm line
[ "$(id -u)" != 0 ] || chown mosquitto:mosquitto passwd.new
mv users.new users
mv passwd.new passwd
kill -HUP "$broker"
[ "$action" = remove ] || echo "$password"
