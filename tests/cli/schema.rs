//! The published JSON Schemas against what is really printed.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "reads the schemas under test")]

use super::{on, support};

fn schema(name: &str) -> jsonschema::Validator {
    let path = format!("{}/docs/schema/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let schema: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn assert_valid(schema: &jsonschema::Validator, text: &[u8], what: &str) {
    let value: serde_json::Value = serde_json::from_slice(text).unwrap();
    let errors: Vec<_> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}");
}

/// Every host of the fixtures, every container of it, and every section of that alone.
#[test]
fn every_fixture_prints_what_the_schema_says() {
    let [ps, ns, inspect] = ["nsx.ps.1", "nsx.ns.1", "nsx.inspect.1"].map(schema);
    let roots = std::fs::read_dir(super::fixture("")).unwrap();
    let mut inspected = 0;
    for root in roots {
        let fixture = root.unwrap().file_name().into_string().unwrap();
        let output = on(&fixture, &["ps", "--all", "--json", "--units"]);
        assert_valid(&ps, &output.stdout, &fixture);
        let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        for form in [&[][..], &["--all"], &["4026531839"], &["-T", "owner", "--columns", "+nsid"]] {
            let output = on(&fixture, &[&["ns", "--json"], form].concat());
            assert_valid(&ns, &output.stdout, &format!("{fixture} {form:?}"));
        }
        let pids = listed["data"].as_array().unwrap().iter().filter_map(|row| row["pid"].as_u64());
        for pid in pids {
            let pid = pid.to_string();
            let whole = ["inspect", &pid, "--json", "--columns", "+formulas"];
            let output = on(&fixture, &whole);
            assert_valid(&inspect, &output.stdout, &format!("{fixture} {pid}"));
            for section in SECTIONS {
                let output = on(&fixture, &[&whole[..], &["--only", section]].concat());
                assert_valid(&inspect, &output.stdout, &format!("{fixture} {pid} {section}"));
            }
            inspected += 1;
        }
    }
    assert!(inspected > 30, "there are more containers than {inspected}");
}

const SECTIONS: [&str; 9] =
    ["identity", "namespaces", "uts", "net", "mounts", "cgroup", "security", "limits", "processes"];

#[test]
fn this_very_process_prints_what_the_schema_says() {
    let own = std::process::id().to_string();
    let output = support::output(&mut support::nsx(["inspect", &own, "--json"]));
    assert_valid(&schema("nsx.inspect.1"), &output.stdout, "own process");
    let output = support::output(&mut support::nsx(["ns", "--json", "--columns", "+ppid"]));
    assert_valid(&schema("nsx.ns.1"), &output.stdout, "own host");
}

/// A schema that takes anything would pass everything.
#[test]
fn the_schema_refuses_what_is_not_the_output() {
    let output = on("docker-v2", &["ps", "--json"]);
    let mut value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let ps = schema("nsx.ps.1");
    assert!(ps.is_valid(&value));
    value["data"][0]["pid"] = "1".into();
    assert!(!ps.is_valid(&value));
    value["data"][0].as_object_mut().unwrap().remove("state");
    assert!(!ps.is_valid(&value));
}
