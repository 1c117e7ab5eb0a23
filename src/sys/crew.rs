//! A long list of small pieces of work, done by processes that can be abandoned.
//!
//! A crew does two things that a thread cannot: a member that waits for a lock inside the kernel is
//! killed and its list goes on without that piece, and the caller keeps the one thread that
//! setns(2) asks for. Members inherit everything by fork and answer through a pipe.

mod member;
pub mod travel;

use super::error::Problem;
use member::Member;
use nix::errno::Errno;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::time::{Duration, Instant};

/// How a piece is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// All of it.
    Whole,
    /// Only what cannot block: the rest did not answer once, or the crew has no more patience.
    Safe,
    /// The same, since there may be no more descriptors or processes for anybody to be abandoned.
    Failed,
}

impl Care {
    /// Why not all of a piece is done; `None` where it is.
    pub const fn lack(self) -> Option<Errno> {
        match self {
            Self::Whole => None,
            Self::Safe => Some(Errno::ETIMEDOUT),
            Self::Failed => Some(Errno::EMFILE),
        }
    }
}

/// How long a crew waits.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For one piece that does not answer.
    pub each: Duration,
    /// For all of those together; afterwards everything is done with [`Care::Safe`].
    pub all: Duration,
}

/// Patience of an operator with a host in trouble.
pub const PATIENCE: Patience =
    Patience { each: Duration::from_millis(250), all: Duration::from_secs(1) };

/// More members than this are in each other's way in the kernel.
const MOST: usize = 4;

/// How many members are worth their start: one for each processor that this process may use, and no
/// more than one where each costs descriptors that are few.
pub fn size() -> usize {
    if super::fds::are_few() {
        return 1;
    }
    let processors = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count());
    usize::try_from(processors).unwrap_or(1).min(MOST)
}

/// Does one piece, and appends the answer.
pub type Job<'a> = dyn FnMut(usize, Care, &mut Vec<u8>) + 'a;
/// Gets the answer of one piece.
pub type Take<'a> = dyn FnMut(usize, Result<&[u8], Problem>) + 'a;

/// How long the end of a member is waited for that has answered everything.
const FAREWELL: Duration = Duration::from_millis(500);
/// Neighbours in the list go to the same member, no more than these at a time.
const BLOCK: usize = 32;

/// Does the pieces 0 to `pieces` in `members` processes. `job` runs in them and appends its answer
/// to the buffer; `take` gets every answer here, in no order between members. A piece has no answer
/// only if even its safe part failed.
///
/// The caller has one thread.
pub fn work(
    pieces: usize,
    members: usize,
    patience: Patience,
    job: &mut Job<'_>,
    take: &mut Take<'_>,
) -> Leaving {
    Crew::begin(pieces, members, patience, job).finish(job, take)
}

/// Members about to end by themselves: when this is dropped they have, and are reaped. In a container
/// there may be nobody else to do that.
#[derive(Debug, Default)]
pub struct Leaving(Vec<Member>);

impl Leaving {
    /// Those too.
    pub fn join(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        for member in &mut self.0 {
            member.reap(FAREWELL);
        }
    }
}

/// At work on the pieces, while its caller does something else.
#[derive(Debug)]
pub struct Crew {
    patience: Patience,
    /// Waited for what did not answer.
    lost: Duration,
    members: Vec<Member>,
    /// Those for whom there was no process.
    missing: Vec<Member>,
    leaving: Leaving,
}

impl Crew {
    /// As [`work`] does it; nobody listens yet.
    pub fn begin(pieces: usize, members: usize, patience: Patience, job: &mut Job<'_>) -> Self {
        let members = members.clamp(1, pieces.div_ceil(BLOCK).max(1));
        let mut crew = Self {
            patience,
            lost: Duration::ZERO,
            members: Vec::new(),
            missing: Vec::new(),
            leaving: Leaving::default(),
        };
        // Every member gets as much as every other.
        let rounds = pieces.div_ceil(members * BLOCK).max(1);
        let block = pieces.div_ceil(members * rounds).max(1);
        for number in 0..members {
            let share = (0..pieces).filter(|piece| piece / block % members == number).collect();
            crew.start(Member::new(share), job);
        }
        crew
    }

    /// Hears them all out. The same job as before: it may be begun anew.
    pub fn finish(mut self, job: &mut Job<'_>, take: &mut Take<'_>) -> Leaving {
        let now = Instant::now();
        for member in &mut self.members {
            member.heard = now;
        }
        self.do_without_a_process(job, take);
        while !self.members.is_empty() {
            self.listen(job, take);
        }
        if super::fds::are_few() {
            // Each holds one until it is gone.
            return Leaving::default();
        }
        self.leaving
    }

    fn care(&self) -> Care {
        if self.lost < self.patience.all { Care::Whole } else { Care::Safe }
    }

    fn start(&mut self, mut member: Member, job: &mut Job<'_>) {
        if member.rest().is_empty() {
            return;
        }
        match member.start(self.care(), job) {
            Ok(()) => self.members.push(member),
            Err(_) => self.missing.push(member),
        }
    }

    /// Where no process can be had, the safe part is done here.
    fn do_without_a_process(&mut self, job: &mut Job<'_>, take: &mut Take<'_>) {
        let mut answer = Vec::new();
        for member in self.missing.drain(..) {
            for piece in member.rest() {
                answer.clear();
                job(*piece, Care::Failed, &mut answer);
                take(*piece, Ok(&answer));
            }
        }
    }

    /// One wait for whoever speaks first.
    fn listen(&mut self, job: &mut Job<'_>, take: &mut Take<'_>) {
        let now = Instant::now();
        let deadline = |member: &Member| member.heard + self.patience.each;
        let first = self.members.iter().map(deadline).min().unwrap_or(now);
        let left = Timespec::try_from(first.saturating_duration_since(now)).unwrap_or_default();
        let spoke: Vec<bool> = {
            let mut polled: Vec<PollFd<'_>> = self
                .members
                .iter()
                .filter_map(|member| Some(PollFd::from_borrowed_fd(member.pipe()?, PollFlags::IN)))
                .collect();
            // What fails here (EINTR) is an answer from nobody.
            let _ = rustix::event::poll(&mut polled, Some(&left));
            polled.iter().map(|fd| !fd.revents().is_empty()).collect()
        };
        let now = Instant::now();
        let mut spoke = spoke.into_iter();
        for mut member in std::mem::take(&mut self.members) {
            let spoke = spoke.next().unwrap_or(true);
            match member.listen(spoke, now, self.patience.each, take) {
                member::State::Working => self.members.push(member),
                member::State::Done => self.leaving.0.push(member),
                member::State::Stuck(waited) => {
                    member.dismiss();
                    self.lost += waited;
                    self.replace(member, job, take);
                }
            }
        }
    }

    /// Somebody else goes on with the list: first piece by piece, to find the one that blocks, and
    /// then without what blocks in it.
    fn replace(&mut self, mut member: Member, job: &mut Job<'_>, take: &mut Take<'_>) {
        if !member.fall_back()
            && let Some(piece) = member.skip()
        {
            take(piece, Err(Problem::TimedOut));
        }
        self.start(member, job);
        self.do_without_a_process(job, take);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;

    const SHORT: Patience =
        Patience { each: Duration::from_millis(100), all: Duration::from_secs(20) };

    fn done(
        pieces: usize,
        members: usize,
        patience: Patience,
        mut job: impl FnMut(usize, Care, &mut Vec<u8>),
    ) -> Vec<Option<Vec<u8>>> {
        let mut answers = vec![None; pieces];
        work(pieces, members, patience, &mut job, &mut |piece, answer| {
            assert!(answers[piece].is_none(), "{piece} is answered once");
            answers[piece] = answer.ok().map(<[u8]>::to_vec);
        });
        answers
    }

    /// A pipe that nobody writes to: reading it waits for ever.
    fn silence() -> (OwnedFd, OwnedFd) {
        rustix::pipe::pipe().unwrap()
    }

    #[test]
    fn every_piece_is_answered_by_any_number_of_members() {
        for members in [1, 2, 7] {
            let answers = done(1000, members, SHORT, |piece, care, out| {
                assert_eq!(care, Care::Whole);
                out.extend(vec![7; piece]);
            });
            for (piece, answer) in answers.iter().enumerate() {
                assert_eq!(answer.as_ref().map(Vec::len), Some(piece));
            }
        }
        assert_eq!(done(0, 3, SHORT, |_, _, _| {}).len(), 0);
    }

    #[test]
    fn a_silence_before_anybody_listens_is_none() {
        let patience = Patience { each: Duration::from_millis(400), ..SHORT };
        let mut job = |piece: usize, _: Care, out: &mut Vec<u8>| {
            if piece == 0 {
                std::thread::sleep(Duration::from_millis(600));
            }
            out.push(u8::try_from(piece).unwrap());
        };
        let crew = Crew::begin(100, 1, patience, &mut job);
        std::thread::sleep(Duration::from_millis(450));
        let mut answers = Vec::new();
        let mut anew = |_: usize, _: Care, _: &mut Vec<u8>| crate::sys::raw::fork::exit_now(1);
        crew.finish(&mut anew, &mut |piece, answer| {
            assert_eq!(answer, Ok(&[u8::try_from(piece).unwrap()][..]));
            answers.push(piece);
        });
        assert_eq!(answers, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn what_blocks_costs_its_own_piece_only() {
        let (silent, _open) = silence();
        let answers = done(100, 2, SHORT, |piece, care, out| {
            if [3, 4, 70].contains(&piece) && care == Care::Whole {
                let _ = rustix::io::read(&silent, &mut [0; 1]);
            }
            out.push(u8::from(care == Care::Safe));
        });
        for (piece, answer) in answers.into_iter().enumerate() {
            let safe = [3, 4, 70].contains(&piece);
            assert_eq!(answer, Some(vec![u8::from(safe)]), "{piece}");
        }
    }

    #[test]
    fn what_blocks_even_in_its_safe_part_has_no_answer() {
        let (silent, _open) = silence();
        let answers = done(3, 1, SHORT, |piece, _, out| {
            if piece == 1 {
                let _ = rustix::io::read(&silent, &mut [0; 1]);
            }
            out.push(0);
        });
        assert_eq!(answers, [Some(vec![0]), None, Some(vec![0])]);
    }

    #[test]
    fn patience_ends_once_for_all() {
        let (silent, _open) = silence();
        let patience = Patience { each: Duration::from_millis(20), all: Duration::from_millis(50) };
        let answers = done(1000, 1, patience, |_, care, out| {
            if care == Care::Whole {
                let _ = rustix::io::read(&silent, &mut [0; 1]);
            }
            out.push(0);
        });
        assert!(answers.iter().all(Option::is_some));
    }

    #[test]
    fn a_member_that_dies_is_replaced() {
        let answers = done(50, 1, SHORT, |piece, care, out| {
            if piece == 20 && care == Care::Whole {
                crate::sys::raw::fork::exit_now(1);
            }
            out.push(0);
        });
        assert!(answers.iter().all(Option::is_some));
    }
}
