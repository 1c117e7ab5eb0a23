//! How a limit is spelled in JSON: three fields beside those of the thing it limits, the unit in
//! the name of the first. Data only.

use super::Limit;
use crate::model::text::Text;
use serde::{Serialize, Serializer};

/// The struct that spells a limit, and the function that serializes one as it.
macro_rules! spelled {
    ($view:ident, $serialize:ident, $value:ident, $unlimited:ident, $set_by:ident) => {
        #[derive(Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[allow(clippy::struct_field_names, reason = "they stand among others in JSON")]
        pub(super) struct $view {
            /// The tightest limit of the group and those above it; null where there is none, or none
            /// that can be seen.
            $value: Option<u64>,
            /// No limit is set, here or above; false, too, where groups above cannot be seen and
            /// none is set in the others.
            $unlimited: bool,
            /// The group, itself or one above, whose limit binds.
            $set_by: Option<Text>,
        }

        pub(super) fn $serialize<S: Serializer>(
            limit: &Limit,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            let (value, set_by) = match limit {
                Limit::Unlimited | Limit::Unseen => (None, None),
                Limit::Value { value, set_by } => (Some(*value), Some(set_by.clone())),
            };
            let unlimited = *limit == Limit::Unlimited;
            let view = $view { $value: value, $unlimited: unlimited, $set_by: set_by };
            view.serialize(serializer)
        }
    };
}

spelled!(MemoryLimit, bytes, limit_bytes, limit_unlimited, limit_set_by);
spelled!(CpuLimit, millicores, limit_millicores, limit_unlimited, limit_set_by);
spelled!(PidsLimit, count, limit, limit_unlimited, limit_set_by);
spelled!(HighLimit, high_bytes, high_bytes, high_unlimited, high_set_by);
spelled!(SwapLimit, swap_bytes, swap_limit_bytes, swap_limit_unlimited, swap_limit_set_by);

#[cfg(test)]
mod tests {
    use crate::model::cgroup::{Cgroup, Cpu, Limit, Memory, Pids, Pressure, PressureSet};
    use serde_json::{json, to_value};

    fn at(value: u64) -> Limit {
        Limit::Value { value, set_by: "/a".into() }
    }

    #[test]
    fn a_limit_is_three_fields_of_what_it_limits() {
        let memory = Memory { usage_bytes: 5, limit: at(67_108_864), ..Memory::default() };
        assert_eq!(
            to_value(&memory).unwrap(),
            json!({
                "usage_bytes": 5, "working_set_bytes": null, "anon_bytes": null,
                "file_bytes": null, "kernel_bytes": null, "peak_bytes": null, "swap_bytes": null,
                "limit_bytes": 67_108_864, "limit_unlimited": false, "limit_set_by": "/a",
                "oom_kills": null,
            })
        );
        let cpu = Cpu { limit_millicores: at(500), ..Cpu::default() };
        assert_eq!(to_value(&cpu).unwrap()["limit_millicores"], 500);
        let pids = Pids { current: 1, limit: Limit::Unlimited };
        assert_eq!(
            to_value(&pids).unwrap(),
            json!({ "current": 1, "limit": null, "limit_unlimited": true, "limit_set_by": null })
        );
    }

    #[test]
    fn the_unknown_and_what_is_no_number_are_null() {
        let cgroup = Cgroup {
            path: b"/a\x1b[2J".into(),
            pressure: Some(PressureSet {
                cpu: Some(Pressure { some_avg10_percent: f64::NAN, ..Pressure::default() }),
                ..PressureSet::default()
            }),
            ..Cgroup::default()
        };
        let value = to_value(&cgroup).unwrap();
        assert_eq!(value["version"], "v2");
        assert_eq!(value["path"], "/a\\x1b[2J");
        assert_eq!(value["memory"], json!(null));
        assert_eq!(value["frozen"], json!(null));
        assert_eq!(value["pressure"]["cpu"]["some_avg10_percent"], json!(null));
    }

    #[cfg(feature = "schema")]
    #[test]
    fn the_schema_has_the_fields_that_are_written() {
        let schema = schemars::schema_for!(Memory);
        let properties = schema.as_value()["properties"].as_object().unwrap();
        let mut described: Vec<_> = properties.keys().cloned().collect();
        let written = to_value(Memory::default()).unwrap();
        let mut written: Vec<_> = written.as_object().unwrap().keys().cloned().collect();
        described.sort();
        written.sort();
        assert_eq!(described, written);
    }
}
