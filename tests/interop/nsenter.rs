//! nsx called `nsenter` against nsenter itself: the same command line for the same live target,
//! with a program that tells all that it was given.
//!
//! Where the installed nsenter is older than 2.42, options that it lacks are held against what
//! 2.42 does.

mod differences;
pub mod joins;
pub mod lifetime;
mod messages;
mod newer;
mod places;
pub mod probe;
pub mod programs;
mod scene;
mod who;

use crate::support::{self, Need};
use probe::Setting;
use scene::Scene;

pub fn tests() -> Vec<libtest_mimic::Trial> {
    const NSENTER: &[Need] =
        &[Need::Root, Need::Program("nsenter"), Need::Program("unshare"), Need::Program("setpriv")];
    const GROUPS: &[Need] = &[
        Need::Root,
        Need::Program("nsenter"),
        Need::Program("unshare"),
        Need::Program("setpriv"),
        Need::Machine("a v2 hierarchy of groups", || newer::hierarchy().is_some()),
    ];
    const TRACED: &[Need] =
        &[Need::Root, Need::Program("nsenter"), Need::Program("setpriv"), Need::Program("strace")];
    let test = |name: &str, body: fn()| support::test(&format!("nsenter: {name}"), NSENTER, body);
    vec![
        test("each option joins its own kind, in every spelling", joins::each_kind),
        test("several options join the same", joins::several),
        test("command lines are taken apart alike", joins::spellings),
        test("files that are descriptors of the caller's", joins::descriptors),
        test("users and groups are the same", who::ids),
        test("an ordinary user joins, and is refused, alike", who::ordinary),
        test("credentials in user namespaces are the same", who::credentials),
        test("root and working directory are the same", places::places),
        test("the program is the same process", places::processes),
        test("the environment is handed on as it is", places::environments),
        test("programs end alike, and what cannot be run is said alike", programs::endings),
        test("standard descriptors that are closed stay closed", programs::closed_descriptors),
        test("without a program it is the same shell", programs::shells),
        test("mistakes are said alike", messages::mistakes),
        test("a target that ends, and one that is a zombie", messages::gone),
        test("stops are mirrored", lifetime::stops),
        test("an end by a signal is the same end", lifetime::killed),
        test("options of 2.42", newer::options),
        test("mistakes in options of 2.42", newer::mistakes),
        support::test("nsenter: -c leaves standard input alone", GROUPS, newer::groups),
        support::test("nsenter: what differs on purpose", TRACED, differences::all),
    ]
}

/// Both end in the same way, and say the same, when this line is all there is.
fn same_ending(scene: &Scene, line: &str, input: &str) {
    same_ending_in(scene, line, input, &Setting::default());
}

fn same_ending_in(scene: &Scene, line: &str, input: &str, setting: &Setting) {
    let words = scene.words(line);
    let [theirs, ours] =
        scene.both().map(|mut command| probe::ending(command.args(&words), setting, input));
    assert_eq!(ours, theirs, "nsenter {line} (nsx first)");
}
