//! nsx called `unshare` against unshare itself: the same command line, with a program that tells all
//! that it was given. What the installed one lacks is compared with a newer one.

mod differences;
mod kept;
mod life;
mod messages;
mod mounts;
mod namespaces;
mod scene;
mod users;

use crate::support::{self, Need};

pub fn tests() -> Vec<libtest_mimic::Trial> {
    const UNSHARE: &[Need] = &[
        Need::Root,
        Need::Program("unshare"),
        Need::Program("setpriv"),
        Need::Program("newuidmap"),
        Need::Newer("unshare"),
    ];
    let test = |name: &str, body: fn()| support::test(&format!("unshare: {name}"), UNSHARE, body);
    vec![
        test("each option makes its own kind, in every spelling", namespaces::each_kind),
        test("a pid namespace is of the children", namespaces::of_children),
        test("several options make the same", namespaces::several),
        test("clocks are as far ahead", namespaces::clocks),
        test("users and groups are the same", users::ids),
        test("id maps are the same", users::maps),
        test("subordinate ids are mapped alike", users::subordinates),
        test("capabilities are the same", users::capabilities),
        test("user namespaces have the same owner", users::owners),
        test("mounts propagate alike", mounts::propagation),
        test("root and working directory are the same", mounts::places),
        test("the same /proc is mounted", mounts::proc),
        test("binary formats are registered alike", mounts::binary_formats),
        test("namespaces stay on files", kept::all_kinds),
        test("programs end alike, and what cannot be run is said alike", life::endings),
        test("an end by a signal is the same end", life::killed),
        test("without a program it is the same shell", life::shells),
        test("the environment is handed on as it is", life::environments),
        test("a child dies with the launcher where that is asked for", life::kill_child),
        test("signals are passed on where that is asked for", life::forwarded),
        test("mistakes are said alike", messages::mistakes),
        test("what an ordinary user may not is said alike", messages::refusals),
        test("what differs on purpose", differences::all),
    ]
}
