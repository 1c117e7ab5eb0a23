# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_nsx_global_optspecs
    string join \n h/help V/version
end

function __fish_nsx_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_nsx_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_nsx_using_subcommand
    set -l cmd (__fish_nsx_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c nsx -n "__fish_nsx_needs_command" -s h -l help -d 'Print help'
complete -c nsx -n "__fish_nsx_needs_command" -s V -l version -d 'Print version'
complete -c nsx -n "__fish_nsx_needs_command" -f -a "ps" -d 'List every container and isolated process group of this host; no daemon is asked'
complete -c nsx -n "__fish_nsx_needs_command" -f -a "ns" -d 'List the namespaces of this host, who is in them, and what keeps them alive'
complete -c nsx -n "__fish_nsx_needs_command" -f -a "inspect" -d 'Show everything about one process or container'
complete -c nsx -n "__fish_nsx_needs_command" -f -a "enter" -d 'Run a program in the namespaces of a process or container, or in one namespace'
complete -c nsx -n "__fish_nsx_needs_command" -f -a "spawn" -d 'Run a program in new namespaces, and leave nothing behind'
complete -c nsx -n "__fish_nsx_needs_command" -f -a "who" -d 'Tell which container a process, port, address, interface, mount, … belongs to'
complete -c nsx -n "__fish_nsx_needs_command" -f -a "pid" -d 'Translate PIDs between the host and what is inside'
complete -c nsx -n "__fish_nsx_using_subcommand ps" -l interval -d 'How long --usage watches the CPU: 2s, 500ms' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand ps" -s Q -l filter -d 'Only rows that match: \'state == "paused" or procs > 10\'' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand ps" -s o -l output -d 'How to print: table, wide, json, jsonl, tsv, name' -r -f -a "table\t'Aligned columns for people'
wide\t'The same with more columns'
json\t'One JSON document'
jsonl\t'One JSON object a line, without the envelope'
tsv\t'Tab-separated values headed by column keys'
name\t'One name, id or PID a line'"
complete -c nsx -n "__fish_nsx_using_subcommand ps" -l columns -d 'Columns to show; +LIST adds to the default ones' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand ps" -l color -d 'Colour: auto (in a terminal), always, never' -r -f -a "auto\t'On a terminal that is not a dumb one, unless NO_COLOR says otherwise'
always\t'In a pipe or a file too'
never\t'Plain text'"
complete -c nsx -n "__fish_nsx_using_subcommand ps" -s u -l units -d 'Services of systemd with namespaces of their own, too'
complete -c nsx -n "__fish_nsx_using_subcommand ps" -s a -l all -d 'Those without a process, too: created, stopped, stale'
complete -c nsx -n "__fish_nsx_using_subcommand ps" -l usage -d 'Memory, CPU and processes in use, beside their limits'
complete -c nsx -n "__fish_nsx_using_subcommand ps" -l orphans -d 'Leftovers instead: namespaces, stale state, shims'
complete -c nsx -n "__fish_nsx_using_subcommand ps" -l json -d 'JSON: the same as -o json'
complete -c nsx -n "__fish_nsx_using_subcommand ps" -s q -l quiet -d 'One name a line: the same as -o name'
complete -c nsx -n "__fish_nsx_using_subcommand ps" -l no-headings -d 'No line of headings'
complete -c nsx -n "__fish_nsx_using_subcommand ps" -l bytes -d 'Plain numbers: bytes and seconds'
complete -c nsx -n "__fish_nsx_using_subcommand ps" -l strict -d 'Exit with 6 if anything could not be seen'
complete -c nsx -n "__fish_nsx_using_subcommand ps" -s h -l help -d 'Print help'
complete -c nsx -n "__fish_nsx_using_subcommand ps" -s V -l version -d 'Print version'
complete -c nsx -n "__fish_nsx_using_subcommand ns" -s p -l task -d 'Only those of a PID, a container or another TARGET' -r -f -a "(__nsx_targets)"
complete -c nsx -n "__fish_nsx_using_subcommand ns" -s t -l type -d 'mnt, uts, ipc, net, pid, cgroup, user, time; repeatable' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand ns" -s T -l tree -d 'As a tree by: owner, parent, process' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand ns" -s Q -l filter -d 'Only rows that match: \'type == "net" and nprocs == 0\'' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand ns" -s o -l output -d 'How to print: table, wide, json, jsonl, tsv, name' -r -f -a "table\t'Aligned columns for people'
wide\t'The same with more columns'
json\t'One JSON document'
jsonl\t'One JSON object a line, without the envelope'
tsv\t'Tab-separated values headed by column keys'
name\t'One name, id or PID a line'"
complete -c nsx -n "__fish_nsx_using_subcommand ns" -l columns -d 'Columns to show; +LIST adds to the default ones' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand ns" -l color -d 'Colour: auto (in a terminal), always, never' -r -f -a "auto\t'On a terminal that is not a dumb one, unless NO_COLOR says otherwise'
always\t'In a pipe or a file too'
never\t'Plain text'"
complete -c nsx -n "__fish_nsx_using_subcommand ns" -s a -l all -d 'Those too that something else than a process keeps'
complete -c nsx -n "__fish_nsx_using_subcommand ns" -s P -l persistent -d 'Only those that no process is in'
complete -c nsx -n "__fish_nsx_using_subcommand ns" -l sockets -d 'Look for sockets that keep a network namespace alive, too'
complete -c nsx -n "__fish_nsx_using_subcommand ns" -l threads -d 'Look for threads elsewhere than their process, too'
complete -c nsx -n "__fish_nsx_using_subcommand ns" -l json -d 'JSON: the same as -o json'
complete -c nsx -n "__fish_nsx_using_subcommand ns" -s q -l quiet -d 'One name a line: the same as -o name'
complete -c nsx -n "__fish_nsx_using_subcommand ns" -l no-headings -d 'No line of headings'
complete -c nsx -n "__fish_nsx_using_subcommand ns" -l bytes -d 'Plain numbers: bytes and seconds'
complete -c nsx -n "__fish_nsx_using_subcommand ns" -l strict -d 'Exit with 6 if anything could not be seen'
complete -c nsx -n "__fish_nsx_using_subcommand ns" -s h -l help -d 'Print help'
complete -c nsx -n "__fish_nsx_using_subcommand ns" -s V -l version -d 'Print version'
complete -c nsx -n "__fish_nsx_using_subcommand inspect" -l only -d 'Only these sections, in full: identity, namespaces, uts, net, mounts, cgroup, security, limits, processes' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand inspect" -l skip -d 'All sections but these' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand inspect" -l interval -d 'Watch the CPU for this long: 2s, 500ms' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand inspect" -s o -l output -d 'How to print: table, wide, json, jsonl, tsv, name' -r -f -a "table\t'Aligned columns for people'
wide\t'The same with more columns'
json\t'One JSON document'
jsonl\t'One JSON object a line, without the envelope'
tsv\t'Tab-separated values headed by column keys'
name\t'One name, id or PID a line'"
complete -c nsx -n "__fish_nsx_using_subcommand inspect" -l columns -d 'Columns to show; +LIST adds to the default ones' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand inspect" -l color -d 'Colour: auto (in a terminal), always, never' -r -f -a "auto\t'On a terminal that is not a dumb one, unless NO_COLOR says otherwise'
always\t'In a pipe or a file too'
never\t'Plain text'"
complete -c nsx -n "__fish_nsx_using_subcommand inspect" -l usage -d 'Ask every mounted file system how full it is'
complete -c nsx -n "__fish_nsx_using_subcommand inspect" -l seccomp -d 'What its seccomp filters do (root); stops it a moment'
complete -c nsx -n "__fish_nsx_using_subcommand inspect" -l json -d 'JSON: the same as -o json'
complete -c nsx -n "__fish_nsx_using_subcommand inspect" -s q -l quiet -d 'One name a line: the same as -o name'
complete -c nsx -n "__fish_nsx_using_subcommand inspect" -l no-headings -d 'No line of headings'
complete -c nsx -n "__fish_nsx_using_subcommand inspect" -l bytes -d 'Plain numbers: bytes and seconds'
complete -c nsx -n "__fish_nsx_using_subcommand inspect" -l strict -d 'Exit with 6 if anything could not be seen'
complete -c nsx -n "__fish_nsx_using_subcommand inspect" -s h -l help -d 'Print help'
complete -c nsx -n "__fish_nsx_using_subcommand inspect" -s V -l version -d 'Print version'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s t -l target -d 'Whose namespaces: a PID, a container\'s name, an id prefix, RUNTIME:NAME, pod:N/POD, unit:NAME, cgroup:PATH; or one: netns:NAME, ns:INODE, a file (TARGETS in nsx(7))' -r -f -a "(__nsx_targets)"
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s m -l mount -d 'The mount namespace: the program is the target\'s'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s u -l uts -d 'The UTS namespace: hostname'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s i -l ipc -d 'The IPC namespace'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s n -l net -d 'The network namespace'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s p -l pid -d 'The pid namespace: the program is a child in it'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s C -l cgroup -d 'The cgroup namespace'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s U -l user -d 'The user namespace: root there, if it has one; --user=USER[:GROUP] is who to be instead, by the target\'s own passwd and group'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s T -l time -d 'The time namespace'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s N -l net-socket -d 'The network namespace of the socket that is the target\'s descriptor FD' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s S -l setuid -d 'Be this user inside; follow: the target\'s' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s G -l setgid -d 'Be of this group alone inside; follow: the target\'s' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s r -l root -d 'The target\'s root directory as root, or DIR as we see it' -r -f -a "(__fish_complete_directories)"
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s w -l wd -d 'Start in the target\'s working directory, or in DIR, seen from inside' -r -f -a "(__fish_complete_directories)"
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s W -l wdns -d 'Start in DIR, seen from inside' -r -f -a "(__fish_complete_directories)"
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l env-add -d 'Set a variable; may be repeated' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l tools -d 'The host\'s programs, or those in DIR, in a root made for them; the target\'s is at /target' -r -f -a "(__fish_complete_directories)"
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l timeout -d 'End the program after that long, such as 30s, at most 24h: SIGTERM, then SIGKILL; exit 124' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l preserve-fds -d 'Hand on N descriptors beside the standard ones: from 3 on' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s a -l all -d 'Every namespace that differs from ours (the default)'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l user-parent -d 'The user namespace above the one that would be joined; again for the next above'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l preserve-credentials -d 'Stay who we are in a joined user namespace'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l keep-caps -d 'Keep the capabilities of a joined user namespace as an ordinary user'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s e -l env -d 'The environment that the target was started with'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l clean-env -d 'Of our environment only TERM, COLORTERM, LANG, LC_ALL, LC_CTYPE, NO_COLOR and TZ'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l as-target -d 'Be what the target is, and no more: its user, groups, capabilities, seccomp filters, security label, limits, control groups, environment, root and working directory'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s c -l join-cgroup -d 'Be in the target\'s control groups'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l allow-frozen -d 'Join a control group that is frozen'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s Z -l follow-context -d 'The target\'s SELinux context or AppArmor profile'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l strict -d 'Run nothing where something of the target\'s cannot be taken over; exit 5'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l tools-inside -d 'The target\'s root with the host\'s programs at /.nsx, seen by the program alone'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l dns -d 'With the network and the host\'s mounts: the target\'s resolv.conf, hosts and nsswitch.conf'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s F -l no-fork -d 'Become the program: only its children are in the pid namespace'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l init -d 'An init for the program: what it leaves behind is reaped, and ended with it'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l pty -d 'A terminal of its own for the program, whatever it is and has'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l no-pty -d 'Hand over our terminal instead of a new one (see PRIVILEGES)'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -l dry-run -d 'Print what would be done, and do nothing'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s h -l help -d 'Print help'
complete -c nsx -n "__fish_nsx_using_subcommand enter" -s V -l version -d 'Print version'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s p -l newpid -d 'A pid namespace: the program is PID 1, with a /proc of its own'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s n -l newnet -d 'A network namespace: only lo, which is up'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s u -l newuts -d 'A UTS namespace: hostname'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s i -l newipc -d 'An IPC namespace'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s m -l newns -d 'A mount namespace: mounts made inside stay inside'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s U -l newuser -d 'A user namespace: you are root inside, and only there, unless a map says otherwise'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s C -l newcgroup -d 'A cgroup namespace'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s T -l newtime -d 'A time namespace'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l monotonic -d 'How far the monotonic clock is ahead; implies --newtime' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l boottime -d 'How far the boot time clock is ahead; implies --newtime' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l net -d 'none (lo alone), host (ours), join:TARGET (a target\'s) or veth[:ADDR/PREFIX,gw=ADDR,peer=NAME,...] (a pair, one end inside)' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l map-user -d 'You are this user inside' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l map-group -d 'You are in this group inside' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l map-users -d 'INSIDE:OUTSIDE:COUNT, or auto (your subordinate ids, from 0 on), subids (the same, as themselves), all; repeatable' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l map-groups -d 'The same of groups' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l owner -d 'Who owns the new user namespace in your place' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l setgroups -d 'Whether setgroups(2) is there inside' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l user -d 'Who the program is, by name or number; names are those of its root\'s passwd and group. Without a value, or with a file: as --newuser'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s S -l setuid -d 'The program\'s user, by number' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s G -l setgid -d 'The program\'s group, by number, and no other' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l rootfs -d 'The root: a directory, or a tar archive (.gz too) that is unpacked in memory' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l overlay -d 'The root stays untouched: what is written goes to memory, or below DIR' -r -f -a "(__fish_complete_directories)"
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l bind -d 'Shows a file or directory of the host\'s inside; repeatable' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l ro-bind -d 'The same, read-only' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l tmpfs -d 'An empty directory in memory; repeatable' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l propagation -d 'How the mounts stand to those outside: private (the default), slave, shared, unchanged' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l mount-proc -d 'Where the new /proc is mounted; implies --newns (--newpid has it at /proc anyway)' -r -f -a "(__fish_complete_directories)"
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l mount-binfmt -d 'Binary formats of its own, at /proc/sys/fs/binfmt_misc; implies --newuser and --newns' -r -f -a "(__fish_complete_directories)"
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s l -l load-interp -d 'Registers a binary format there; implies --mount-binfmt' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s R -l root -d 'Changes the root by chroot(2), which is no boundary' -r -f -a "(__fish_complete_directories)"
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l memory -d 'Memory: bytes, or with K, M, G, T (binary); and no swap, unless --swap says so' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l swap -d 'Swap, beside the memory' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l cpus -d 'CPU time: as much as so many CPUs have; 0.5 is half of one' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l cpuset -d 'The CPUs on which the program may run: 0-3,8' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l pids -d 'Processes and threads at one time' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l io -d 'A disk, per second: /dev/sda:rbps=10M,wbps=SIZE,riops=N,wiops=N; repeatable' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l cap-drop -d 'Capabilities that the program has not and cannot get: net_raw,setuid, or all; repeatable' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l cap-add -d 'Capabilities that it has all the same, as any user; taken in order with --cap-drop' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l seccomp -d 'Which system calls it may make: a profile as docker and podman take it (JSON)' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l landlock-ro -d 'It may read and execute what is beneath, and open no file that is not listed; repeatable' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l landlock-rw -d 'It may write what is beneath too, and open no file that is not listed; repeatable' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l rlimit -d 'A resource limit as prlimit(1) names it: nofile=1024:4096, core=unlimited; repeatable' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l nice -d 'Its nice value, from -20 to 19' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l umask -d 'Permissions that files it makes have not: 022' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l hostname -d 'Hostname inside; implies --newuts' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l domainname -d 'NIS domain name inside; implies --newuts' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s w -l wd -d 'Where the program starts, as it is called inside' -r -f -a "(__fish_complete_directories)"
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s E -l env -d 'Sets a variable; repeatable' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l whitelist-env -d 'Nothing but these, separated by commas; repeatable' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l timeout -d 'How long the program may run: 30s, 5m; then SIGTERM, and exit code 124' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l kill-after -d 'How long it then has before SIGKILL (5s)' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l kill-child -d 'What the program gets when nsx ends before it (SIGKILL, always)'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l name -d 'What it is known by: nsx:NAME as a target, in `nsx ps`, for --stop' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l status-fd -d 'Writes JSON lines to descriptor N: started, exited' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l pid-file -d 'Holds the program\'s pid on the host while it runs' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l stop -d 'Ends a named program, with SIGTERM and, after --kill-after, SIGKILL; starts none' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l report -d 'Says on standard error what the program used, when it has ended'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l new-all -d 'All eight'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s r -l map-root -d 'You are root inside; implies --newuser'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s c -l map-current-user -d 'You are yourself inside'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l map-auto -d 'Your subordinate users and groups, from 0 on'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l map-subids -d 'Your subordinate users and groups, as themselves'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l lossy-map -d 'Where a range overlaps with your own id, the range gives way: an id of it may be lost'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l keep-caps -d 'What you may do in the new user namespace the program may too, whoever it is'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l read-only -d 'Nothing can be written to the root'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l no-new-privs -d 'No program that it runs has more privilege: set-user-ID is without effect'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l clear-env -d 'Nothing of your environment is passed on'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l init -d 'An init of its own stays beside the program: it passes signals on, and reaps'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s f -l fork -d 'The program is a child of nsx (always)'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l forward-signals -d 'Signals are passed on to the program (always)'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l detach -d 'Prints the name once the program runs, and leaves it alone, without input or output'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l pty -d 'A terminal of its own, as it is with --rootfs, another user or fewer rights'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l no-pty -d 'None: the program has yours as it is'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -l dry-run -d 'Says what would be done, and does nothing'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s h -l help -d 'Print help'
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -s V -l version -d 'Print version'
complete -c nsx -n "__fish_nsx_using_subcommand who" -l peers -d 'Instead: whom TARGET talks to on this host' -r -f -a "(__nsx_targets)"
complete -c nsx -n "__fish_nsx_using_subcommand who" -s o -l output -d 'How to print: table, wide, json, jsonl, tsv, name' -r -f -a "table\t'Aligned columns for people'
wide\t'The same with more columns'
json\t'One JSON document'
jsonl\t'One JSON object a line, without the envelope'
tsv\t'Tab-separated values headed by column keys'
name\t'One name, id or PID a line'"
complete -c nsx -n "__fish_nsx_using_subcommand who" -l columns -d 'Columns to show; +LIST adds to the default ones' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand who" -l color -d 'Colour: auto (in a terminal), always, never' -r -f -a "auto\t'On a terminal that is not a dumb one, unless NO_COLOR says otherwise'
always\t'In a pipe or a file too'
never\t'Plain text'"
complete -c nsx -n "__fish_nsx_using_subcommand who" -l json -d 'JSON: the same as -o json'
complete -c nsx -n "__fish_nsx_using_subcommand who" -s q -l quiet -d 'One name a line: the same as -o name'
complete -c nsx -n "__fish_nsx_using_subcommand who" -l no-headings -d 'No line of headings'
complete -c nsx -n "__fish_nsx_using_subcommand who" -l bytes -d 'Plain numbers: bytes and seconds'
complete -c nsx -n "__fish_nsx_using_subcommand who" -l strict -d 'Exit with 6 if anything could not be seen'
complete -c nsx -n "__fish_nsx_using_subcommand who" -s h -l help -d 'Print help'
complete -c nsx -n "__fish_nsx_using_subcommand who" -s V -l version -d 'Print version'
complete -c nsx -n "__fish_nsx_using_subcommand pid" -l inside -d 'The other way: its numbers in each pid namespace' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand pid" -l from -d 'From which target\'s numbers N is translated' -r -f -a "(__nsx_targets)"
complete -c nsx -n "__fish_nsx_using_subcommand pid" -l to -d 'To which target\'s' -r -f -a "(__nsx_targets)"
complete -c nsx -n "__fish_nsx_using_subcommand pid" -s o -l output -d 'How to print: table, wide, json, jsonl, tsv, name' -r -f -a "table\t'Aligned columns for people'
wide\t'The same with more columns'
json\t'One JSON document'
jsonl\t'One JSON object a line, without the envelope'
tsv\t'Tab-separated values headed by column keys'
name\t'One name, id or PID a line'"
complete -c nsx -n "__fish_nsx_using_subcommand pid" -l columns -d 'Columns to show; +LIST adds to the default ones' -r -f
complete -c nsx -n "__fish_nsx_using_subcommand pid" -l color -d 'Colour: auto (in a terminal), always, never' -r -f -a "auto\t'On a terminal that is not a dumb one, unless NO_COLOR says otherwise'
always\t'In a pipe or a file too'
never\t'Plain text'"
complete -c nsx -n "__fish_nsx_using_subcommand pid" -l all -d 'All processes inside TARGET, with all their numbers'
complete -c nsx -n "__fish_nsx_using_subcommand pid" -l json -d 'JSON: the same as -o json'
complete -c nsx -n "__fish_nsx_using_subcommand pid" -s q -l quiet -d 'One name a line: the same as -o name'
complete -c nsx -n "__fish_nsx_using_subcommand pid" -l no-headings -d 'No line of headings'
complete -c nsx -n "__fish_nsx_using_subcommand pid" -l bytes -d 'Plain numbers: bytes and seconds'
complete -c nsx -n "__fish_nsx_using_subcommand pid" -l strict -d 'Exit with 6 if anything could not be seen'
complete -c nsx -n "__fish_nsx_using_subcommand pid" -s h -l help -d 'Print help'
complete -c nsx -n "__fish_nsx_using_subcommand pid" -s V -l version -d 'Print version'

# Names and PIDs that can be a TARGET, and the words that others begin with.
function __nsx_targets
    command timeout 2 nsx ps -o name 2>/dev/null | head -n 1000
    printf '%s\n' pod: unit: netns: cgroup: ns:
end

# Completes the program that nsx runs; the arguments are the options of nsx that take a value.
function __nsx_program
    set -l skip 2
    string match -q '*nsx-*' (commandline -opc)[1]
    and set skip 1
    __fish_complete_subcommand --fcs-skip=$skip - $argv
end

complete -c nsx -n "__fish_nsx_using_subcommand ps" -f -a "(__nsx_targets)"
complete -c nsx -n "__fish_nsx_using_subcommand inspect" -f -a "(__nsx_targets)"
complete -c nsx -n "__fish_nsx_using_subcommand enter" -f -a "(__nsx_program -t --target -N --net-socket -S --setuid -G --setgid -W --wdns --env-add --timeout --preserve-fds)"
complete -c nsx -n "__fish_nsx_using_subcommand spawn" -f -a "(__nsx_program --monotonic --boottime --net --map-user --map-group --map-users --map-groups --owner --setgroups -S --setuid -G --setgid --rootfs --bind --ro-bind --tmpfs --propagation -l --load-interp -R --root --memory --swap --cpus --cpuset --pids --io --cap-drop --cap-add --seccomp --landlock-ro --landlock-rw --rlimit --nice --umask --hostname --domainname -w --wd -E --env --whitelist-env --timeout --kill-after --name --status-fd --pid-file --stop)"
complete -c nsx -n "__fish_nsx_using_subcommand who" -a "(__nsx_targets)"
complete -c nsx -n "__fish_nsx_using_subcommand pid" -f -a "(__nsx_targets)"

complete -c nsx-ps -w 'nsx ps'
complete -c nsx-ns -w 'nsx ns'
complete -c nsx-inspect -w 'nsx inspect'
complete -c nsx-enter -w 'nsx enter'
complete -c nsx-spawn -w 'nsx spawn'
complete -c nsx-who -w 'nsx who'
complete -c nsx-pid -w 'nsx pid'
