//! One table asked for and answered in many messages (NLM_F_DUMP), repeated while the kernel says
//! that the table changed under it. See netlink(7).

use super::channel::Channel;
use crate::sys::error::Result;
use std::collections::HashSet;

/// How often an interrupted table is asked for.
const ATTEMPTS: usize = 5;

/// The bytes of a row that tell it from others.
type Identity = fn(&[u8]) -> Option<Vec<u8>>;

/// What is asked, and how the answer is read.
pub(super) struct Question<'a, R> {
    pub what: &'static str,
    /// The types of request and answer.
    pub kinds: (u16, u16),
    pub body: &'a [u8],
    /// `None` where a message is shorter than the kernel makes it.
    pub parse: fn(&[u8]) -> Option<R>,
    /// The bytes that no other row of its table has; absent where rows may be equal.
    pub identity: Option<Identity>,
}

/// A table.
pub(super) struct Dump<R> {
    pub rows: Vec<R>,
    /// It changed during the last attempt, or a row could not be read.
    pub incomplete: bool,
}

/// Asks for a table until it is answered in one piece, and keeps the last answer if it never is.
pub(super) async fn dump<R>(channel: &mut Channel, question: &Question<'_, R>) -> Result<Dump<R>> {
    let mut answer = attempt(channel, question).await?;
    for _ in 1..ATTEMPTS {
        if !answer.incomplete || channel.is_late() {
            break;
        }
        // The last answer is better than none.
        match attempt(channel, question).await {
            Ok(next) => answer = next,
            Err(_) => break,
        }
    }
    Ok(answer)
}

async fn attempt<R>(channel: &mut Channel, question: &Question<'_, R>) -> Result<Dump<R>> {
    let (mut rows, mut seen, mut incomplete) = (Vec::new(), HashSet::new(), false);
    let mut take = |message: &[u8]| {
        // The kernel walks an IPv6 table again when it changes, and sets no flag.
        let is_new = match question.identity {
            Some(identity) => identity(message).is_some_and(|identity| seen.insert(identity)),
            None => true,
        };
        match (question.parse)(message) {
            Some(row) if is_new => rows.push(row),
            _ => incomplete = true,
        }
    };
    let interrupted = channel.dump(question.what, question.kinds, question.body, &mut take).await?;
    Ok(Dump { rows, incomplete: incomplete || interrupted })
}
