//! What is taken out of the JSON that engines write: the environments of containers, and the long
//! lists of system calls. All other bytes stay as they were.

/// The variables that tell something about a container and nothing about what it does.
const VARIABLES: [&str; 6] = ["PATH", "TERM", "HOME", "HOSTNAME", "container", "container_uuid"];

/// The text without its secrets; one that is no JSON unchanged.
pub(super) fn json(bytes: &[u8]) -> Vec<u8> {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
    if !is_json {
        return bytes.to_vec();
    }
    let mut edited = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    // A string that a colon follows is a key, and the value begins behind the colon.
    while let Some((token, after)) = token(rest) {
        edited.extend_from_slice(token);
        rest = after;
        let Some(value) = rest.trim_ascii_start().strip_prefix(b":") else {
            continue;
        };
        let value = value.trim_ascii_start();
        let Some((length, shorter)) = shorter(token, value) else {
            continue;
        };
        edited.extend_from_slice(rest.get(..rest.len() - value.len()).unwrap_or_default());
        edited.extend_from_slice(&shorter);
        rest = value.get(length..).unwrap_or_default();
    }
    edited
}

/// A string, or a single byte of anything else, and what follows.
fn token(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = *bytes.first()?;
    if first != b'"' {
        return bytes.split_at_checked(1);
    }
    let mut escaped = false;
    let end = bytes.iter().skip(1).position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    bytes.split_at_checked(end? + 2)
}

/// How long the value of a key is and what stands there instead, if anything.
fn shorter(key: &[u8], value: &[u8]) -> Option<(usize, Vec<u8>)> {
    match key {
        br#""env""# | br#""Env""# => {
            let (length, variables): (_, Vec<String>) = leading(value)?;
            let is_kept = |one: &&String| {
                one.split_once('=').is_some_and(|(name, _)| VARIABLES.contains(&name))
            };
            let kept: Vec<&String> = variables.iter().filter(is_kept).collect();
            Some((length, serde_json::to_vec(&kept).ok()?))
        }
        br#""syscalls""# | br#""Syscalls""# => {
            let (length, _): (_, Vec<serde::de::IgnoredAny>) = leading(value)?;
            Some((length, b"[]".to_vec()))
        }
        _ => None,
    }
}

/// The value that a text begins with, and its length.
fn leading<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<(usize, T)> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((values.byte_offset(), value))
}

#[cfg(test)]
mod tests {
    use super::json;

    #[test]
    fn environments_and_lists_of_system_calls_go_and_nothing_else() {
        for (before, after) in [
            (
                r#"{ "process":{"env": ["PATH=/bin","DB_PASSWORD=x","container=podman"] ,"cwd":"/"}}"#,
                r#"{ "process":{"env": ["PATH=/bin","container=podman"] ,"cwd":"/"}}"#,
            ),
            (r#"[{"Env":null,"a":"\"Env\":"}]"#, r#"[{"Env":null,"a":"\"Env\":"}]"#),
            (r#"{"a":"env","env":["=","x"]}"#, r#"{"a":"env","env":[]}"#),
            (
                r#"{"seccomp":{"defaultAction":"E","syscalls":[{"names":["a]"]}]},"z":1.50}"#,
                r#"{"seccomp":{"defaultAction":"E","syscalls":[]},"z":1.50}"#,
            ),
            ("4711\n", "4711\n"),
            (r#"{"env":["A=b"]"#, r#"{"env":["A=b"]"#),
        ] {
            assert_eq!(String::from_utf8(json(before.as_bytes())).unwrap(), after);
        }
    }
}
