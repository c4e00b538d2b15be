# Keeps one PostgreSQL in a folder of its own for the process that holds the other end of the standard input, and removes
# both when that process is gone, however it ended: the system closes the pipe of whoever is killed. Orders are read line
# by line, and each is answered with a line: "ok" or "failed", the folder first of all.
#
# Usage: sh -c "$(cat supervisor.sh)" sh FOLDER-OF-THE-PROGRAMS
# Orders: start PORT, stop SIGNAL
programs=$1
# An interrupt at the terminal is for the tests; the pipe says when they have ended.
trap '' HUP INT TERM PIPE

new_folder() { mktemp -d "$1/gateway-accounts-pg-XXXXXX" 2>/dev/null; }
# The path of a socket may have a hundred bytes or so.
case ${TMPDIR:-/tmp} in
    ????????????????????????????????????????????????????????*) folder=$(new_folder /tmp) ;;
    *) folder=$(new_folder "${TMPDIR:-/tmp}" || new_folder /tmp) ;;
esac
[ -n "$folder" ] || exit 1
cd "$folder" || exit 1
exec 2>>log

answer() { if "$@"; then echo ok; else echo failed; fi; }

# Waits for a condition, a minute at most.
within_a_minute() {
    tries=3000
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return
        sleep 0.02
    done
}

# What initdb writes is synced by nobody, and need not be: a system that goes down takes the whole folder with it.
init() {
    "$programs/initdb" -D data --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync </dev/null >>log 2>&1
}

# The server is a child's child, so that somebody waits for it who can say that it has ended.
run() {
    "$programs/postgres" -D data -c "port=$1" -c listen_addresses=127.0.0.1 -c "unix_socket_directories=$folder" \
        -c max_connections=200 </dev/null >>log 2>&1 &
    echo $! >pid
    wait $!
    : >ended
}

has_ended() { [ -e ended ]; }
is_ready() { [ "$(sed -n 1p data/postmaster.pid)" = "$(cat pid)" ] && sed -n 8p data/postmaster.pid | grep -q ready; }
is_ready_or_has_ended() { has_ended || is_ready 2>/dev/null; }

start() {
    [ -z "$runner" ] || return
    [ -e data ] || init || return
    rm -f ended pid
    run "$1" >/dev/null &
    runner=$!
    within_a_minute is_ready_or_has_ended || return
    has_ended || return 0
    runner=
    return 1
}

stop() {
    [ -n "$runner" ] && kill -s "$1" "$(cat pid)" && within_a_minute has_ended || return
    wait "$runner"
    runner=
}

runner=
echo "$folder"
while read -r order argument; do
    case $order in
        start) answer start "$argument" ;;
        stop) answer stop "$argument" ;;
        *) echo failed ;;
    esac
done
[ -z "$runner" ] || stop QUIT || stop KILL
cd / && rm -rf "$folder"
