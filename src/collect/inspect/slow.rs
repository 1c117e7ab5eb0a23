//! What may not answer: command lines, and files that the target sees. Another process reads it
//! while the rest is read here.

use super::super::network::resolver;
use super::super::processes::Members;
use crate::model::gap::Gap;
use crate::model::network::Resolver;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::worker::files::{Reading, Request, Way};
use std::time::Duration;

/// For one file of the target's.
const PATIENCE: Duration = Duration::from_millis(150);
/// For everything.
const WHOLE_PATIENCE: Duration = Duration::from_millis(1400);
/// Longer lists of users are cut.
const PASSWD: usize = 64 << 10;

/// What is wanted of the target's own files.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inside {
    pub resolver: bool,
    /// Its list of users.
    pub passwd: bool,
}

pub(super) struct Slow<'a> {
    target: &'a ProcessHandle,
    inside: Inside,
    members: Members,
    reading: Reading,
}

#[derive(Default)]
pub(super) struct Answered {
    pub members: Members,
    pub resolver: Option<Resolver>,
    pub passwd: Option<Vec<u8>>,
    pub gaps: Vec<Gap>,
}

impl<'a> Slow<'a> {
    /// The caller has one thread.
    pub(super) fn start(target: &'a ProcessHandle, inside: Inside, members: Members) -> Self {
        let reading = Reading::start(&requests(target, inside, &members));
        Self { target, inside, members, reading }
    }

    /// `alone`: the caller has one thread again. If not, only what is there already is taken.
    pub(super) fn finish(self, alone: bool) -> Answered {
        let Self { target, inside, mut members, reading } = self;
        let patience = if alone { WHOLE_PATIENCE } else { Duration::ZERO };
        let answers = reading.finish(&requests(target, inside, &members), patience);
        let mut answers = answers.into_iter();
        let mut answered = Answered::default();
        if inside.resolver {
            let files: Vec<_> = answers.by_ref().take(resolver::FILES.len()).collect();
            let (resolver, gap) = resolver::of_files(target.pid(), &files);
            answered.resolver = resolver;
            answered.gaps.extend(gap);
        }
        if inside.passwd {
            // What it calls its users is worth no gap.
            answered.passwd = answers.next().and_then(Result::ok).map(|read| read.bytes);
        }
        members.add_commands(answers);
        answered.gaps.append(&mut members.gaps);
        answered.members = members;
        answered
    }
}

/// In this order they are answered.
fn requests<'a>(
    target: &'a ProcessHandle,
    inside: Inside,
    members: &'a Members,
) -> Vec<Request<'a>> {
    let mut requests = Vec::new();
    let mut ask = |name, cap| {
        let way = Way::Inside;
        requests.push(Request { dir: target.dir(), name, way, cap, patience: PATIENCE });
    };
    if inside.resolver {
        for name in resolver::FILES {
            ask(name, resolver::CAP);
        }
    }
    if inside.passwd {
        ask(c"/etc/passwd", PASSWD);
    }
    requests.extend(members.requests());
    requests
}
