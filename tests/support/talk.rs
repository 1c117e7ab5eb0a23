//! Programs that reach each other over a network, or do not: an echo request, and a word by TCP.

use super::outer::inside;
use super::{Held, succeeds};

/// One echo request, unrepeated, and its answer: icmp(7).
pub const PING: &str = r#"
use strict; use Socket qw(:all);
my $to = shift; my $six = $to =~ /:/;
socket my $socket, $six ? AF_INET6 : AF_INET, SOCK_RAW, $six ? 58 : 1 or die "socket: $!";
my $body = pack 'nna8', $$ & 0xffff, 1, 'nsx-ping';
my $packet = pack('CCn', $six ? 128 : 8, 0, 0) . $body;
my $sum = 0; $sum += $_ for unpack 'n*', $packet;
$sum = ($sum >> 16) + ($sum & 0xffff); $sum += $sum >> 16;
substr $packet, 2, 2, pack 'n', ~$sum & 0xffff unless $six;
my $address = $six ? pack_sockaddr_in6(0, inet_pton AF_INET6, $to) : pack_sockaddr_in(0, inet_aton $to);
alarm 60;
send $socket, $packet, 0, $address or die "send: $!";
while (defined recv $socket, my $answer, 2048, 0) {
    my $icmp = $six ? $answer : substr $answer, 20;
    next if substr($icmp, 4) ne $body || unpack('C', $icmp) != ($six ? 129 : 0);
    print "answered\n"; exit 0;
}
"#;

/// Says what it hears, backwards, to the first that comes.
const SERVER: &str = r#"
use strict; use Socket qw(:all); $| = 1;
my ($at, $port) = @ARGV; my $six = $at =~ /:/;
socket my $socket, $six ? AF_INET6 : AF_INET, SOCK_STREAM, 0 or die "socket: $!";
bind $socket, $six ? pack_sockaddr_in6($port, inet_pton AF_INET6, $at) : pack_sockaddr_in($port, inet_aton $at) or die "bind: $!";
listen $socket, 1 or die "listen: $!";
print "ready\n"; alarm 60;
accept my $peer, $socket or die "accept: $!";
my $heard = <$peer>; chomp $heard; syswrite $peer, reverse($heard) . "\n";
"#;

const CLIENT: &str = r#"
use strict; use Socket qw(:all);
my ($to, $port) = @ARGV; my $six = $to =~ /:/; alarm 60;
socket my $socket, $six ? AF_INET6 : AF_INET, SOCK_STREAM, 0 or die "socket: $!";
connect $socket, $six ? pack_sockaddr_in6($port, inet_pton AF_INET6, $to) : pack_sockaddr_in($port, inet_aton $to) or die "connect: $!";
syswrite $socket, "hello\n"; print scalar <$socket>;
"#;

const PORT: &str = "4242";

/// Ping and TCP from one network namespace to an address that another has.
pub fn reaches(from: u32, to: u32, address: &str) {
    let said = succeeds(&mut inside(from, ["perl", "-e", PING, address]));
    assert_eq!(said, "answered\n", "{address}");
    let (_server, line) = Held::ready(&mut inside(to, ["perl", "-e", SERVER, address, PORT]));
    assert_eq!(line, "ready", "{address}");
    let said = succeeds(&mut inside(from, ["perl", "-e", CLIENT, address, PORT]));
    assert_eq!(said, "olleh\n", "{address}");
}
