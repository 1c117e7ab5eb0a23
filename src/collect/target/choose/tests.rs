//! Which container wins, and which do not make a name ambiguous.

use super::*;
use crate::collect::target::grammar;
use crate::model::container::{Init, State};

fn container(runtime: Runtime, name: &str, id: &str, pid: u32) -> Container {
    let pid = Pid::new(pid).unwrap();
    let text = |text: &str| Some(Text::from(text)).filter(|text| !text.is_empty());
    Container {
        runtime,
        name: text(name),
        id: text(id),
        init: Some(Init {
            pid,
            start_ticks: 1,
            comm: "sh".into(),
            state: crate::model::process::State(b'S'),
        }),
        ..Container::default()
    }
}

fn of_user(container: Container) -> Container {
    Container { owner_uid: Some(1000), ..container }
}

fn nested(container: Container) -> Container {
    Container { depth: 1, within: Some("builder".into()), ..container }
}

fn in_pod(container: Container, name: &str) -> Container {
    let sandbox = name.is_empty();
    let pod = Pod {
        namespace: Some("shop".into()),
        name: Some("cart".into()),
        container: Some(name.into()).filter(|_| !sandbox),
        sandbox,
        ..Pod::default()
    };
    Container { pod: Some(pod), ..container }
}

/// The pid of the one that is meant, or the error.
fn found(list: &[Container], spelled: &str) -> Result<u32, String> {
    found_beside(list, &[], spelled)
}

fn found_beside(list: &[Container], gaps: &[Gap], spelled: &str) -> Result<u32, String> {
    let meaning = grammar::parse(spelled.as_bytes()).unwrap();
    match super::container((list, gaps), spelled.as_bytes(), &meaning) {
        Ok(container) => Ok(container.init.as_ref().map_or(0, |init| init.pid.number())),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_whole_name_or_id_counts_more_than_the_beginning_of_an_id() {
    let list = [
        container(Runtime::Docker, "abcd", "1111222233334444", 1),
        container(Runtime::Docker, "x", "abcd111111111111", 2),
    ];
    assert_eq!(found(&list, "abcd"), Ok(1));
    assert_eq!(found(&list, "abcd1"), Ok(2));
    assert!(found(&list, "abc").is_err(), "three digits are too few");
}

#[test]
fn what_a_user_or_a_container_calls_its_own_neither_wins_nor_makes_ambiguous() {
    let root = container(Runtime::Docker, "web", "aaaa1111aaaa1111", 1);
    let user = of_user(container(Runtime::Podman, "web", "bbbb1111bbbb1111", 2));
    let inner = nested(container(Runtime::Docker, "web", "cccc1111cccc1111", 3));
    let all = [user.clone(), inner.clone(), root.clone()];
    assert_eq!(found(&all, "web"), Ok(1));
    // Not even by a whole name against the beginning of an id.
    let named = [of_user(container(Runtime::Podman, "aaaa", "dddd1111dddd1111", 4)), root];
    assert_eq!(found(&named, "aaaa"), Ok(1));
    // They are reached where nothing of root's matches.
    assert_eq!(found(&all, "bbbb1"), Ok(2));
    assert_eq!(found(&all, "podman:web"), Ok(2));
    assert_eq!(found(&all[..1], "web"), Ok(2));
    let said = found(&all[..2], "web").unwrap_err();
    let expected = "web is ambiguous: podman:web (id bbbb1111bbbb1111, pid 2, uid 1000), \
        docker:web (id cccc1111cccc1111, pid 3, within builder)";
    assert_eq!(said, expected);
}

#[test]
fn two_of_root_are_ambiguous_and_a_stopped_one_is_not_in_the_way() {
    let one = container(Runtime::Docker, "web", "aaaa1111aaaa1111", 1);
    let two = container(Runtime::Runc, "web", "web", 2);
    assert!(
        found(&[one.clone(), two.clone()], "web").unwrap_err().contains("runc:web (id web, pid 2)")
    );
    let stopped = Container { init: None, state: State::Stopped, ..two };
    assert_eq!(found(&[stopped.clone(), one], "web"), Ok(1));
    assert_eq!(found(&[stopped], "web"), Ok(0));
}

#[test]
fn a_name_that_the_grammar_hides_is_reached_by_its_runtime() {
    let list = [
        container(Runtime::Runc, "4194305", "x1", 1),
        container(Runtime::Runc, "pod:a", "x2", 2),
        container(Runtime::Runc, "77", "x3", 3),
    ];
    assert_eq!(found(&list, "4194305"), Ok(1));
    assert_eq!(found(&list, "runc:pod:a"), Ok(2));
    assert_eq!(found(&list, "runc:77"), Ok(3));
    assert_eq!(found(&list, "pod:a"), Err("no container in pod:a is known".into()));
}

#[test]
fn a_pod_is_its_only_container_else_its_sandbox() {
    let runtime = Runtime::Containerd;
    let sandbox = in_pod(container(runtime, "cart", "aaaa", 1), "");
    let app = in_pod(container(runtime, "app", "bbbb", 2), "app");
    let log = in_pod(container(runtime, "log", "cccc", 3), "log");
    let whole = [sandbox.clone(), app.clone(), log.clone()];
    assert_eq!(found(&whole, "pod:shop/cart"), Ok(1));
    assert_eq!(found(&whole, "pod:shop/cart/app"), Ok(2));
    assert_eq!(found(&whole, "shop/cart/log"), Ok(3), "as a table shows it");
    let all = |spelled: &str| {
        let meaning = grammar::parse(spelled.as_bytes()).unwrap();
        let pid = |one: &Container| one.init.as_ref().unwrap().pid.number();
        containers(&whole, &meaning).into_iter().map(pid).collect::<Vec<_>>()
    };
    assert_eq!((all("pod:shop/cart"), all("pod:shop/cart/log")), (vec![1, 2, 3], vec![3]));
    assert_eq!(found(&[sandbox.clone(), app.clone()], "pod:shop/cart"), Ok(2));
    assert_eq!(found(&[sandbox], "pod:shop/cart"), Ok(1));
    let said = found(&[app, log], "pod:shop/cart").unwrap_err();
    let expected = "pod:shop/cart is ambiguous: pod:shop/cart/app (id bbbb, pid 2), \
        pod:shop/cart/log (id cccc, pid 3)";
    assert_eq!(said, expected);
    for other in ["pod:shop/cart/db", "pod:shop/car", "pod:sho/cart", "pod:cart"] {
        assert!(found(&whole, other).is_err(), "{other}");
    }
}

#[test]
fn cri_and_containerds_namespaces_narrow_the_search() {
    let in_namespace = |name: &str, container: Container| Container {
        engine_namespace: Some(name.into()),
        ..container
    };
    let work = container(Runtime::Containerd, "app", "abcd1111abcd1111", 1);
    let work = in_namespace("k8s.io", in_pod(work, "app"));
    let build =
        in_namespace("default", container(Runtime::Containerd, "app", "abcd2222abcd2222", 2));
    let podman = in_pod(container(Runtime::Podman, "app", "abcd3333abcd3333", 3), "app");
    let list = [work, build, podman];
    assert!(found(&list, "containerd:app").unwrap_err().contains("ambiguous"));
    assert_eq!(found(&list, "containerd:k8s.io/app"), Ok(1));
    assert_eq!(found(&list, "containerd:default/abcd"), Ok(2));
    assert_eq!(found(&list, "cri:abcd"), Ok(1));
    assert_eq!(found(&list, "cri:app"), Ok(1));
    assert!(found(&list, "containerd:moby/app").is_err());
}

#[test]
fn who_is_called_by_digits_and_is_no_pid_is_told_so() {
    let none = |spelled: &str| found(&[], spelled).unwrap_err();
    assert!(none("4194305").starts_with("4194305 is not a process id"));
    assert_eq!(none("web"), "no container on this host has the name or id web");
    assert_eq!(none("0abc"), "no container on this host has the name or id 0abc");
    assert_eq!(none("pod:web"), "no container in pod:web is known");
}

#[test]
fn a_record_of_the_host_that_was_not_read_may_have_the_name() {
    let root = container(Runtime::Docker, "web", "aaaa1111aaaa1111", 1);
    let user = of_user(container(Runtime::Podman, "db", "bbbb1111bbbb1111", 2));
    let inner = nested(container(Runtime::Docker, "cache", "cccc1111cccc1111", 3));
    let alike = of_user(container(Runtime::Podman, "dddd1111", "dddd1111dddd1111", 4));
    let list = [root, user, inner, alike];
    let (object, what) = ("/x/config.v2.json".into(), "names and images");
    let gaps = [Gap { object, what, reason: crate::model::gap::Reason::Malformed }];
    let found = |spelled: &str| found_beside(&list, &gaps, spelled);
    for spelled in ["db", "podman:db", "cache", "none", "pod:shop/none", "dddd1111"] {
        let why = "names and images of /x/config.v2.json could not be read";
        assert_eq!(found(spelled), Err(format!("what {spelled} means cannot be told: {why}")));
    }
    assert_eq!(found("web"), Ok(1), "nothing is before what root vouches for");
    assert_eq!((found("bbbb1111bbbb1111"), found("cccc1")), (Ok(2), Ok(3)), "the kernel's word");
}
