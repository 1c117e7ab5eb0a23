//! The lists that podman 4.3 and CRI-O write.

use super::*;
use crate::collect::runtime::fixture::{Host, as_anybody};
use crate::model::gap::Reason;

const WEB: &str = "993fef54a7abcb78f8f687dfe8300c1625c539b72d2a12a764023442921e8e50";
const POD: &str = "91a72bf5c65da4d92731704f371a5a32c2d2dc186ba94bd1250d142dcafe14ef";

const PODMANS: &str = r#"[{"id":"993fef54a7abcb78f8f687dfe8300c1625c539b72d2a12a764023442921e8e50",
    "names":["web"],"image":"22fb98c83c5a64e44e258df7599321df1e191f089b339f12b2e1f0cadfd08878",
    "layer":"cacde150aa5cc5388c8cbc2801f8b48ba368a72cbdb423aa5a68f2b03f51261c",
    "metadata":"{\"image-name\":\"localhost/bb:1\",\"image-id\":\"22fb98c8\",\"name\":\"web\",\"created-at\":1795530050}",
    "created":"2026-11-24T14:20:50.918344125Z","flags":{"MountLabel":"","ProcessLabel":""}}]"#;

const CRI_OS: &str = r#"[{"id":"91a72bf5c65da4d92731704f371a5a32c2d2dc186ba94bd1250d142dcafe14ef",
    "names":["k8s_POD_web_shop_u_0","k8s_POD_web_shop"],
    "metadata":"{\"pod-name\":\"k8s_web_shop_u_0\",\"pod-id\":\"91a72bf5\",\"image-name\":\"pause:3.9\",\"name\":\"k8s_POD_web_shop_u_0\",\"created-at\":1795530050,\"pod\":true}",
    "created":"2026-11-24T14:20:50Z"}]"#;

#[test]
fn a_list_gives_name_image_and_whose_it_is() {
    let web = &parse(PODMANS.as_bytes()).unwrap()[0];
    assert_eq!(web.id, WEB);
    assert_eq!(web.name, Some("web".into()));
    assert_eq!(web.image, Some("localhost/bb:1".into()));
    assert_eq!(web.created_unix_seconds, Some(1_795_530_050));
    assert!(!web.is_cri_os);
    let pause = &parse(CRI_OS.as_bytes()).unwrap()[0];
    assert!(pause.is_cri_os);
    assert_eq!(pause.name, Some("k8s_POD_web_shop_u_0".into()));
}

#[test]
fn an_id_that_is_none_and_notes_that_cannot_be_read_count_for_nothing() {
    let bad = PODMANS.replace(WEB, "../../etc");
    assert!(parse(bad.as_bytes()).unwrap().is_empty());
    let noted = PODMANS.replace(r#""metadata":"{"#, r#""metadata":"["#);
    let web = &parse(noted.as_bytes()).unwrap()[0];
    assert_eq!((&web.name, &web.image), (&Some("web".into()), &None));
    assert!(parse(b"{}").is_none());
}

#[test]
fn a_store_has_the_containers_of_each_driver_and_the_volatile_ones() {
    let graph = "var/lib/containers/storage";
    let of_run = PODMANS.replace("993f", "773f");
    let host = Host::with(&[
        (&format!("{graph}/overlay-containers/containers.json"), PODMANS),
        (
            &format!("{graph}/overlay-containers/volatile-containers.json"),
            &PODMANS.replace("993f", "883f"),
        ),
        ("run/containers/storage/overlay-containers/volatile-containers.json", &of_run),
        (&format!("{graph}/vfs-containers/containers.json"), CRI_OS),
        (&format!("{graph}/overlay-images/images.json"), "[]"),
        (&format!("run/containers/storage/overlay-containers/{WEB}/userdata/pidfile"), "42"),
        (&format!("{graph}/overlay-containers/{WEB}/userdata/config.json"), "{}"),
    ]);
    let mut stores = Stores::default();
    stores.look(&host.root, 0).unwrap();
    assert_eq!(stores.of(0).flat_map(Store::all).count(), 4);
    let web = stores.find(0, WEB).unwrap();
    assert_eq!(web.pid(), Pid::new(42));
    assert_eq!(web.conmon(), None);
    assert_eq!(web.specification(9).as_deref(), Some(b"{}".as_slice()));
    assert_eq!(web.list(), "/var/lib/containers/storage/overlay-containers/containers.json");
    assert!(web.is_beside(&of_run[8..72]) && !web.is_beside(POD));
    assert!(stores.find(0, &WEB[..12]).is_none());
    assert!(stores.find(1001, WEB).is_none());
}

#[test]
fn no_more_drivers_of_a_user_are_held_than_there_are() {
    let drivers = |home: &str, uid, count: u32| {
        let host = Host::with(&[("etc/passwd", "ann:x:1000:1000::/home/ann:/bin/sh\n")]);
        for number in 0..count {
            let list = format!("{home}/d{number}-containers/containers.json");
            host.write(&list, PODMANS);
        }
        let mut stores = Stores::default();
        stores.look(&host.root, uid).unwrap();
        let is_told = host.root.reach().gaps().iter().any(|gap| gap.object == "records of users");
        (stores.of(uid).flat_map(Store::all).count(), is_told)
    };
    let hers = "home/ann/.local/share/containers/storage";
    assert_eq!(drivers(hers, 1000, 20), (8, true));
    assert_eq!(drivers(hers, 1000, 8), (8, false));
    assert_eq!(drivers("var/lib/containers/storage", 0, 20), (20, false));
}

#[test]
fn no_more_stores_of_a_user_are_held_than_he_needs() {
    let host = Host::with(&[("etc/passwd", "ann:x:1000:1000::/home/ann:/bin/sh\n")]);
    let mut stores = Stores::default();
    let mut held = |uid: u32, home: &str| {
        for number in 0..12 {
            let graph = format!("{home}/{number}");
            host.write(&format!("{graph}/vfs-containers/containers.json"), PODMANS);
            // A second conmon tells the same.
            for _ in 0..2 {
                stores.add(&host.root, uid, &Path::new("/").join(&graph), None).unwrap();
            }
        }
        stores.of(uid).count()
    };
    assert_eq!(held(0, "srv"), 12);
    assert_eq!(held(1000, "home/ann"), MOST_ROOTS);
}

#[test]
fn a_list_of_roots_may_be_longer_than_a_users() {
    let long = format!("{PODMANS}{}", " ".repeat(CAP));
    let found = |uid: u32, home: &str| {
        let list = format!("{home}/vfs-containers/containers.json");
        let passwd = ("etc/passwd", "ann:x:54321:54321::/home/ann:/bin/sh\n");
        let host = Host::with(&[passwd, (&list, &long)]);
        let mut stores = Stores::default();
        stores.look(&host.root, uid).unwrap();
        stores.find(uid, WEB).is_some()
    };
    assert!(found(0, "var/lib/containers/storage"));
    assert!(!found(54321, "home/ann/.local/share/containers/storage"));
}

#[test]
fn what_may_not_be_looked_at_is_told_and_what_is_not_there_is_not() {
    let graph = "home/ann/.local/share/containers/storage";
    let looked = |uid: u32, files: &[&str], closed: &str| {
        as_anybody(|| {
            let host = Host::with(&[("etc/passwd", "ann:x:54321:54321::/home/ann:/bin/sh\n")]);
            for file in files {
                host.write(file, PODMANS);
            }
            host.close(closed);
            let looked = Stores::default().look(&host.root, uid);
            host.unclose(closed);
            (looked.map_err(|error| error.reason()), host.root.reach().gaps().len())
        })
    };
    let denied = (Err(Reason::Denied), 0);
    let list = "vfs-containers/containers.json";
    let hers = format!("{graph}/{list}");
    assert_eq!(looked(54321, &[&hers], "home/ann/.local"), denied);
    assert_eq!(looked(54321, &["home/ann/f"], "home/ann/f"), (Ok(()), 0));
    let roots = format!("var/lib/containers/storage/{list}");
    assert_eq!(looked(0, &[&roots], &roots), denied);
    assert_eq!(looked(0, &["etc/f"], "etc/f"), (Ok(()), 0));
}

#[test]
fn configured_roots_are_looked_at_beside_the_usual_ones() {
    let storage =
        "[storage]\ndriver = \"overlay\"\nrunroot = \"/data/r\"\ngraphroot = \"/data/g\"\n";
    let users = storage.replace("/data/", "/home/ann/");
    let host = Host::with(&[
        ("etc/containers/storage.conf", storage),
        ("data/g/overlay-containers/containers.json", PODMANS),
        (&format!("data/r/overlay-containers/{WEB}/userdata/pidfile"), "42"),
        ("etc/passwd", "ann:x:1001:1001::/home/ann:/bin/sh\n"),
        ("home/ann/.config/containers/storage.conf", &users),
        ("home/ann/g/vfs-containers/containers.json", &PODMANS.replace("993f", "883f")),
        ("home/ann/.local/share/containers/storage/vfs-containers/containers.json", CRI_OS),
    ]);
    let mut stores = Stores::default();
    stores.look(&host.root, 0).unwrap();
    stores.look(&host.root, 1001).unwrap();
    assert_eq!(stores.find(0, WEB).unwrap().pid(), Pid::new(42));
    assert!(stores.find(1001, &WEB.replace("993f", "883f")).is_some());
    assert_eq!(stores.find(1001, POD).unwrap().uid(), 1001);
}

#[test]
fn a_list_that_cannot_be_understood_is_told_once() {
    let list = "var/lib/containers/storage/overlay-containers/containers.json";
    let mut stores = Stores::default();
    let driver = "var/lib/containers/storage/vfs-containers";
    let other = format!(r#"[{{"id":"{WEB}"}}]"#);
    let host = Host::with(&[(list, "["), (&format!("{driver}/containers.json"), &other)]);
    stores.look(&host.root, 0).unwrap();
    assert!(stores.find(0, WEB).is_some(), "the others are as they were");
    stores.look(&host.root, 0).unwrap();
    let gaps = host.root.reach().gaps();
    let told: Vec<String> = gaps.iter().map(|gap| gap.object.to_string()).collect();
    assert_eq!(told, [format!("/{list}")]);
    assert_eq!(gaps[0].reason, Reason::Malformed);
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = (parse(&bytes), configured(&bytes));
    }
}
