//! A process with seccomp filters of the test's own. It makes the system calls that it is told to.

use super::{Held, Lines, Need};
use std::io::Write;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};

pub const PERL: &[Need] = &[Need::Root, Need::Program("perl")];

/// Takes the filters, programs in hexadecimal; then becomes the program that follows `--`, or makes
/// one call a line, without arguments and as nobody, and says its error.
const SCRIPT: &str = r#"
$| = 1;
my $prctl = shift;
my @filters;
while (@ARGV) { my $one = shift; last if $one eq '--'; push @filters, pack 'H*', $one }
$) = $( = 65534, $> = $< = 65534 unless @ARGV;
syscall($prctl, 38, 1, 0, 0, 0) == 0 or die "no_new_privs: $!";
for my $filter (@filters) {
    my $program = pack 'S x6 P', length($filter) / 8, $filter;
    syscall($prctl, 22, 2, $program) == 0 or die "filter: $!";
}
exec @ARGV if @ARGV;
print "ready\n";
while (<STDIN>) {
    $! = 0;
    my $returned = syscall(int($_), 0, 0, 0, 0, 0, 0);
    print $returned == -1 ? $! + 0 : 0, "\n";
}
"#;

/// A program that answers some calls with an error and allows the others.
pub fn deny(calls: &[i64], errno: i32) -> Vec<u8> {
    let mut program = Vec::new();
    let mut add = |code: u16, jump: u8, k: u32| {
        program.extend(code.to_ne_bytes());
        program.extend([jump, 0]);
        program.extend(k.to_ne_bytes());
    };
    add(0x20, 0, 0);
    for (at, call) in calls.iter().enumerate() {
        let jump = u8::try_from(calls.len() - at).expect("few");
        add(0x15, jump, u32::try_from(*call).expect("a number"));
    }
    add(0x06, 0, 0x7fff_0000);
    add(0x06, 0, 0x0005_0000 + errno.unsigned_abs());
    program
}

/// As perl's `pack 'H*'` takes it.
pub fn hexadecimal(filter: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(u32::from);
    let digits = filter.iter().flat_map(digits);
    digits.filter_map(|digit| char::from_digit(digit, 16)).collect()
}

#[derive(Debug)]
pub struct Filtered {
    held: Held,
    calls: ChildStdin,
    answers: Lines,
}

impl Filtered {
    /// Runs what is added after it under the filters.
    pub fn command(filters: &[Vec<u8>]) -> Command {
        let mut command = Self::bare(filters);
        command.arg("--");
        command
    }

    fn bare(filters: &[Vec<u8>]) -> Command {
        let mut command = Command::new("perl");
        command.args(["-e", SCRIPT, &libc::SYS_prctl.to_string()]);
        command.args(filters.iter().map(|filter| hexadecimal(filter)));
        command
    }

    /// The oldest filter first.
    pub fn start(filters: &[Vec<u8>]) -> Self {
        let mut command = Self::bare(filters);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("perl starts");
        let answers = Lines::of(child.stdout.take().expect("piped"));
        let calls = child.stdin.take().expect("piped");
        let started = Self { held: Held(child), calls, answers };
        assert_eq!(started.answers.next(), "ready");
        started
    }

    pub fn pid(&self) -> u32 {
        self.held.pid()
    }

    /// Makes a system call; its error, or 0.
    pub fn call(&mut self, number: i64) -> i32 {
        writeln!(self.calls, "{number}").expect("it reads");
        let answer = self.answers.next();
        answer.parse().unwrap_or_else(|_| panic!("{number}: {answer:?}"))
    }

    /// Any signal, real-time ones too.
    pub fn signal(&self, number: i32) {
        let pidfd = super::pidfd(self.pid()).expect("it lives");
        nsx::sys::raw::signal::send(std::os::fd::AsFd::as_fd(&pidfd), number).expect("it is ours");
    }

    pub fn wait(&mut self) -> ExitStatus {
        let pidfd = super::pidfd(self.pid()).expect("a child");
        assert!(super::ends_within(&pidfd, super::PATIENCE), "it ends");
        self.held.0.wait().expect("a child")
    }

    pub fn into_held(self) -> Held {
        self.held
    }
}
