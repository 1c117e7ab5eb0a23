# inside.sh - on a clean Debian: installs what is in /mnt, tries it, removes it; then all is as it was.
# Needs no network.
set -eu
cd /mnt
archive=(nsx-*.tar.gz) packages=(./*.deb)

fail() {
    echo "$*" >&2
    exit 1
}

# says PATTERN COMMAND...: the command succeeds and prints a line with it
says() {
    local pattern=$1 output
    shift
    output=$("$@" 2>&1) || fail "$*: ended with $?: $output"
    grep -qE -- "$pattern" <<<"$output" || fail "$*: no line with $pattern: $output"
}

# ends CODE COMMAND...
ends() {
    local expected=$1 code=0
    shift
    "$@" >/dev/null 2>&1 || code=$?
    [ "$code" = "$expected" ] || fail "$*: ended with $code, not $expected"
}

install_deb() { dpkg --install "${packages[@]}" >/dev/null; }
remove_deb() {
    dpkg --purge nsx-tools nsx >/dev/null
    ! compgen -G '/var/lib/dpkg/info/nsx*' || fail 'dpkg keeps something of nsx'
}
list_deb() {
    dpkg --verify nsx nsx-tools >&2
    dpkg -L nsx nsx-tools | grep '^/usr/'
}

# The commands of INSTALL.txt, as they stand there.
commands() { tar -xzOf "${archive[0]}" --wildcards '*/INSTALL.txt' | sed -n 's/^    //p'; }
install_archive() { bash -euc "$(commands | head -n 1)"; }
remove_archive() { bash -euc "$(commands | tail -n +2)"; }
list_archive() {
    tar -tzf "${archive[0]}" | sed -n 's|^[^/]*\(/.*[^/]\)/\?$|/usr/local\1|p' | grep -v INSTALL.txt
}

# Both forms are the same files, but for the place where Debian's zsh looks.
same_files() {
    local packaged package
    packaged=$(mktemp -d)
    for package in "${packages[@]}"; do dpkg-deb -x "$package" "$packaged"; done
    mv "$packaged/usr/share/zsh/vendor-completions" "$packaged/usr/share/zsh/site-functions"
    mkdir "$packaged/archive"
    tar -xzf "${archive[0]}" -C "$packaged/archive" --strip-components=1 --exclude=INSTALL.txt
    diff -r --no-dereference "$packaged/usr" "$packaged/archive" || fail "the forms differ"
}

try() {
    local name
    hash -r # where programs were found last
    for name in nsx nsx-ps nsx-ns nsx-inspect nsx-enter nsx-spawn nsx-who nsx-pid; do
        says '^nsx( [a-z]+)? [0-9.]+$' "$name" --version
        says "/$name\.1\.gz$" man -w "$name"
        says 'EXIT STATUS' man "$name"
        bash -c ". /usr/share/bash-completion/bash_completion; _completion_loader $name
            complete -p $name" >/dev/null || fail "no completion of $name"
    done
    says '/nsx\.7\.gz$' man -w 7 nsx
    says '^inspect$' bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader nsx
        COMP_WORDS=(nsx ins) COMP_CWORD=1 COMP_LINE="nsx ins" COMP_POINT=7
        eval "$(complete -p nsx | sed "s/.*-F \([^ ]*\) .*/\1/") nsx ins nsx"
        printf "%s\n" "${COMPREPLY[@]}"'
    # What README.md does, where it needs no docker.
    says '^I am PID 1 of box$' nsx spawn --newpid --newnet --hostname box --report \
        sh -c 'echo "I am PID $$ of $(hostname)"'
    ends 7 nsx spawn --newpid sh -c 'exit 7'
    mkdir /tmp/www
    echo 'hello from the server' >/tmp/www/index.html
    says '^server$' nsx spawn --detach --name server --new-all --net none \
        busybox httpd -f -h /tmp/www
    says '^hello from the server$' nsx spawn --new-all \
        --net veth:198.51.100.2/24,peer=eth0@nsx:server,peer-addr=198.51.100.1/24 \
        busybox wget -qO- http://198.51.100.1/
    says '^nsx +server ' nsx ps
    says '^nsx +server ' nsx-ps
    says '^namespaces +own ' nsx inspect server
    says '"name": *"server"' nsx-inspect server --json
    says '^lo ' nsx enter -t server -n ip -br addr
    says '^join +mnt' nsx enter -t server --dry-run id
    says '^uid=0' nsx-enter -t server id
    says 'net' nsx ns
    says 'net' nsx-ns --json
    says ' 1$|^[0-9]+$' nsx pid server
    local pid
    pid=$(nsx ps -o json | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' | head -n 1)
    says 'server' nsx who "$pid"
    says 'server' nsx-who "$pid"
    says '[0-9]' nsx-pid "$pid"
    says '^PID 1$' nsx-spawn --newpid sh -c 'echo "PID $$"'
    ends 3 nsx inspect db
    ends 2 nsx ps --no-such-option
    nsx spawn --stop server
    ends 3 nsx inspect server
    rm -r /tmp/www
    # The place of the names of programs, which goes when the machine is started again. It is empty.
    rmdir /run/nsx
}

# Every path with its kind, mode, owner and content; but for what dpkg keeps for itself, and man-db's
# index, which a trigger of its own brings up to date.
everything() {
    local path
    local -a left_out=()
    for path in /proc /sys /dev /mnt /var/lib/dpkg /var/log/dpkg.log /var/cache/man; do
        left_out+=(-path "$path" -o)
    done
    find / \( "${left_out[@]}" -false \) -prune \
        -o -printf '%p %y %m %u:%g %l\n' -type f -exec cksum {} + | LC_ALL=C sort
}

# Of such a list, paths alone.
paths() { sed -n 's/^\(\/.*\) [bcdflps] [0-7]* [^ ]*:[^ ]* .*/\1/p' "$1" | LC_ALL=C sort; }

# without FILE1 FILE2: the lines of the first that the second has not
without() { LC_ALL=C comm -23 "$1" "$2"; }

mkdir lists
everything >lists/before
paths lists/before >lists/paths_before
for form in deb archive; do
    "install_$form"
    everything >lists/installed
    # All that it says of itself is there, and no more has come.
    paths lists/installed >lists/paths
    "list_$form" | LC_ALL=C sort -u >lists/listed
    without lists/paths lists/paths_before >lists/came
    [ -s lists/came ] || fail "$form: nothing came"
    missing=$(without lists/listed lists/paths) unlisted=$(without lists/came lists/listed)
    [ -z "$missing$unlisted" ] || fail "$form: not there: $missing; not listed: $unlisted"
    without lists/installed lists/before | grep '^/' >lists/entries
    grep -vE ' (f (644|755)|d 755|l 777) root:root ' lists/entries &&
        fail "$form: not the usual owner and mode"
    try
    "remove_$form"
    everything >lists/after
    diff lists/before lists/after || fail "$form: something is left, or is missing"
    echo "$form: $(wc -l <lists/came) paths came and went"
done
same_files
