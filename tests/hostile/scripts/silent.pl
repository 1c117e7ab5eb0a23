# The first process of a container with a file system at /mnt whose server answers until it is told
# to be silent for ever: it goes on taking requests, and nobody can be killed who waits for one.
#
# What runs in the container (ROLE): `quiet`: nothing that touches the file system.
# `inside`: a process whose program, working directory, descriptor and mapping are on it.
# `locked`: the first process itself, whose memory lock is held by what waits for a page of it.
# `beside`: the same of a second process.
# `monitors`: five processes of the host's like that, each with a child that is isolated.
# `titled`: a second process that has its arguments in such a page.
# `at=PLACE`: it is mounted there too, and `link=PLACE`: there is a link to it. `/run` and `/var/lib`
# are empty then.
use strict;
use POSIX ();
my ($mount, $mmap, $prctl, $setns, $brk, @roles) = @ARGV;
my ($mount_point, $program) = ("/mnt", "/bin/sleep");
my ($ROOT, $PROGRAM, $PAGE, $DIRECTORY) = (1 .. 4);
my $PAGE_AT = 0x300000000;

open my $fuse, "+<", "/dev/fuse" or die "/dev/fuse: $!";
my $options = "fd=" . fileno($fuse) . ",rootmode=40755,user_id=0,group_id=0,allow_other";
syscall($mount + 0, my $source = "silent", $mount_point, my $type = "fuse", 0, $options) == 0
    or die "mount: $!";
# The server says here that it was asked for the page.
pipe my $asked, my $asking or die "pipe: $!";
my $silent = 0;
$SIG{USR1} = sub { $silent = 1 };
my $server = fork // die;
if (!$server) { end_with_parent(); serve(); }
close $fuse;

my %roles = map { $_ => 1 } @roles;
my @ready = ("server=$server");
plant(grep { /=/ } @roles);
if ($roles{inside}) {
    my $pid = child(sub {
        chdir "$mount_point/dir" or die "chdir: $!";
        open my $page, "<", "$mount_point/page" or die "page: $!";
        POSIX::dup2(fileno($page), 9);
        exec { "$mount_point/sleep" } "sleep", "2000";
        die "exec: $!";
    });
    wait_for($pid, sub { $_[0] eq "sleep" && $_[1] eq "S" });
    push @ready, "inside=$pid";
}
if ($roles{beside}) {
    my $pid = child(sub { map_page(10); lock_memory() });
    wait_for($pid, sub { $_[0] eq "stuck" && $_[1] eq "D" });
    push @ready, "beside=$pid";
}
if ($roles{titled}) {
    my $pid = child(\&move_title);
    wait_for($pid, sub { $_[0] eq "titled" });
    push @ready, "titled=$pid";
}
for my $number ($roles{monitors} ? 0 .. 4 : ()) {
    pipe my $told, my $telling or die;
    my $pid = child(sub { monitor($number, $telling) });
    chomp(my $child = <$told>);
    wait_for($pid, sub { $_[0] eq "bwrap" && $_[1] eq "D" });
    push @ready, "monitor$number=$pid", "child$number=$child";
}
if ($roles{locked}) {
    # Says so itself: afterwards it does nothing any more.
    map_page(11);
    lock_memory("ready @ready\n");
}
kill "USR1", $server;
$| = 1;
print "ready @ready\n";
sleep 1000 while 1;

sub plant {
    return if !@_;
    for my $place ((my $run = "/run"), (my $lib = "/var/lib")) {
        my ($type, $options) = ("tmpfs", "mode=755");
        syscall($mount + 0, $type, $place, $type, 0, $options) == 0 or die "$place: $!";
    }
    for (@_) {
        my ($how, $place) = /^(at|link)=(.*)/ or die;
        my $above = "";
        for my $part (split m{/}, $place =~ s{^/|/[^/]*$}{}gr) { mkdir $above .= "/$part" }
        if ($how eq "link") { symlink "$mount_point/dir", $place or die "$place: $!"; next; }
        mkdir $place;
        # MS_BIND
        syscall($mount + 0, $mount_point, $place, 0, 4096, 0) == 0 or die "$place: $!";
    }
}

sub child {
    my ($work) = @_;
    my $pid = fork // die;
    if (!$pid) { end_with_parent(); $work->(); sleep 1000 while 1; }
    return $pid;
}

# PR_SET_PDEATHSIG, SIGKILL
sub end_with_parent { syscall($prctl + 0, 1, 9, 0, 0, 0) }

# A process of the host that calls itself bwrap and has an isolated child.
sub monitor {
    my ($number, $telling) = @_;
    map_page($number);
    open my $host, "<", "/proc/" . getppid_of(getppid()) . "/ns/mnt" or die "mnt: $!";
    syscall($setns + 0, fileno $host, 0x00020000) == 0 or die "setns: $!";
    my $child = child(sub { exec "unshare", "-n", "sleep", "1000" });
    wait_for($child, sub { $_[0] eq "sleep" && $_[1] eq "S" });
    syswrite $telling, "$child\n";
    lock_memory(undef, "bwrap");
}

sub getppid_of {
    my ($pid) = @_;
    open my $stat, "<", "/proc/$pid/stat" or die;
    return (split / /, <$stat> =~ s/^.*\) //sr)[1];
}

sub wait_for {
    my ($pid, $is) = @_;
    for (1 .. 6000) {
        open my $stat, "<", "/proc/$pid/stat" or die "it has ended: $!";
        my ($comm, $state) = <$stat> =~ /^\d+ \((.*)\) (\S)/s;
        return if $is->($comm, $state);
        select undef, undef, undef, 0.005;
    }
    die "it never came to that";
}

# One of sixteen, far apart: who asks for one that was asked for before is not served by it.
sub map_page {
    my $offset = 65536 * $_[0];
    open my $page, "<", "$mount_point/page" or die "page: $!";
    # PROT_READ; MAP_PRIVATE | MAP_FIXED
    syscall($mmap + 0, $PAGE_AT, 4096, 1, 0x12, fileno $page, $offset) != -1 or die "mmap: $!";
}

# A child reads our memory where the page is and gets it never: it holds our lock shared. Then we
# want it for ourselves, and whoever comes after us waits too.
sub lock_memory {
    my ($message, $name) = @_;
    $name //= "stuck";
    my $self = $$;
    my $reader = fork // die;
    if (!$reader) {
        end_with_parent();
        open my $memory, "<", "/proc/$self/mem" or die "mem: $!";
        sysseek $memory, $PAGE_AT, 0;
        sysread $memory, my $byte, 1;
        exit 0;
    }
    sysread $asked, my $byte, 1;
    syscall($prctl + 0, 15, $name, 0, 0, 0);
    if (defined $message) {
        kill "USR1", $server;
        syswrite STDOUT, $message;
    }
    # PROT_READ; MAP_PRIVATE | MAP_ANONYMOUS
    syscall($mmap + 0, 0, 4096, 1, 0x22, -1, 0);
    # The file system has ended.
    exit 0;
}

# PR_SET_MM_MAP with everything as it is but the arguments.
sub move_title {
    map_page(12);
    open my $stat, "<", "/proc/$$/stat" or die;
    my @stat = split / /, <$stat> =~ s/^.*\) //sr;
    my ($start_code, $end_code, $start_stack) = @stat[23 .. 25];
    my ($start_data, $end_data, $start_brk, $arg_start, $arg_end, $env_start, $env_end) = @stat[42 .. 48];
    my $end_brk = syscall($brk + 0, 0);
    my $map = pack "Q<11 Q< L< L<", $start_code, $end_code, $start_data, $end_data, $start_brk, $end_brk,
        $start_stack, $PAGE_AT, $PAGE_AT + 64, $env_start, $env_end, 0, 0, 0xffffffff;
    syscall($prctl + 0, 35, 14, $map, length $map, 0) == 0 or die "PR_SET_MM_MAP: $!";
    syscall($prctl + 0, 15, my $name = "titled", 0, 0, 0);
}

sub attributes {
    my ($node) = @_;
    my $is_directory = $node == $ROOT || $node == $DIRECTORY;
    my $size = $node == $PROGRAM ? -s $program : $node == $PAGE ? 1 << 20 : 0;
    return pack "Q<6 L<10", $node, $size, 0, 0, 0, 0, 0, 0, 0, $is_directory ? 040755 : 0100755,
        1, 0, 0, 0, 4096, 0;
}

sub serve {
    my %nodes = (sleep => $PROGRAM, page => $PAGE, dir => $DIRECTORY);
    while (1) {
        my $read = sysread $fuse, my $request, 1 << 20;
        if (!defined $read) { next if $!{EINTR} || $!{ENOENT}; exit 0; }
        next if $silent;
        my ($length, $operation, $unique, $node) = unpack "L< L< Q< Q<", $request;
        my $body = substr $request, 40;
        my ($error, $answer) = (-38, "");
        if ($operation == 26) { # INIT
            $answer = pack "L<4 S<2 L<2 S<2 L<8", 7, 31, 4096, 0, 12, 9, 65536, 1, 16, 0, (0) x 8;
            $error = 0;
        } elsif ($operation == 1) { # LOOKUP
            my $found = $nodes{unpack "Z*", $body};
            $error = $found ? 0 : -2;
            $answer = pack("Q<4 L<2", $found, 0, 0, 0, 0, 0) . attributes($found) if $found;
        } elsif ($operation == 3) { # GETATTR
            ($error, $answer) = (0, pack("Q< L<2", 0, 0, 0) . attributes($node));
        } elsif ($operation == 14 || $operation == 27) { # OPEN, OPENDIR
            ($error, $answer) = (0, pack "Q< L< L<", 0, 2, 0); # the cache is kept
        } elsif ($operation == 15) { # READ
            if ($node != $PROGRAM) { syswrite $asking, "."; next; }
            my (undef, $offset, $size) = unpack "Q< Q< L<", $body;
            open my $file, "<", $program or exit 1;
            sysseek $file, $offset, 0;
            sysread $file, $answer, $size;
            $error = 0;
        } elsif ($operation == 18 || $operation == 25) { # RELEASE, FLUSH
            $error = 0;
        } elsif ($operation == 2 || $operation == 42 || $operation == 36) { # FORGET, INTERRUPT
            next;
        }
        syswrite $fuse, pack("L< l< Q<", 16 + length $answer, $error, $unique) . $answer;
    }
}
