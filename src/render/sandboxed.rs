//! What is said where a container has a kernel of its own: what runs inside is not what is shown.

use crate::model::container::Container;
use crate::model::runtime::Runtime;
use crate::model::text::Text;

/// The tool that can see inside.
const fn tool(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Kata => "kata-runtime",
        _ => "runsc",
    }
}

/// `the inside of 1 sandboxed container (gvisor) is not visible from the host; use runsc`
pub fn of_list(containers: &[Container]) -> Option<String> {
    let mut guests: Vec<Runtime> = containers.iter().filter_map(Container::guest_of).collect();
    let count = match guests.len() {
        0 => return None,
        1 => "1 sandboxed container".to_owned(),
        many => format!("{many} sandboxed containers"),
    };
    guests.sort_unstable();
    guests.dedup();
    let list = |name: fn(Runtime) -> &'static str, between: &str| {
        guests.iter().map(|runtime| name(*runtime)).collect::<Vec<_>>().join(between)
    };
    let (runtimes, tools) = (list(Runtime::name, ", "), list(tool, " and "));
    Some(format!("the inside of {count} ({runtimes}) is not visible from the host; use {tools}"))
}

/// The same of one that is entered or looked at.
pub fn of_one(label: &Text, container: Option<&Container>) -> Option<String> {
    let runtime = container?.guest_of()?;
    Some(format!(
        "the inside of {label} ({runtime}) is not visible from the host, only what runs its kernel; \
         use {}",
        tool(runtime)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_many_of_whom_and_what_sees_inside() {
        let one = |runtime, guest_of| Container { runtime, guest_of, ..Container::default() };
        let list = |containers: &[Container]| of_list(containers).unwrap_or_default();
        assert_eq!(list(&[one(Runtime::Docker, None)]), "");
        assert_eq!(
            list(&[one(Runtime::Gvisor, None), one(Runtime::Docker, None)]),
            "the inside of 1 sandboxed container (gvisor) is not visible from the host; use runsc"
        );
        assert_eq!(
            list(&[
                one(Runtime::Docker, Some(Runtime::Kata)),
                one(Runtime::Gvisor, None),
                one(Runtime::Docker, Some(Runtime::Gvisor)),
            ]),
            "the inside of 3 sandboxed containers (gvisor, kata) is not visible from the host; \
             use runsc and kata-runtime"
        );
    }

    #[test]
    fn one_of_the_hosts_kernel_needs_no_word() {
        assert_eq!(of_one(&"web".into(), None), None);
        assert_eq!(of_one(&"web".into(), Some(&Container::default())), None);
        let guest = Container { guest_of: Some(Runtime::Gvisor), ..Container::default() };
        assert_eq!(
            of_one(&Text::new(b"w\x1b"), Some(&guest)).unwrap(),
            "the inside of w\\x1b (gvisor) is not visible from the host, only what runs its kernel; \
             use runsc"
        );
    }
}
