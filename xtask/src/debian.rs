//! Where Debian's packages come from on this machine.

/// Where there is nothing better.
const MIRROR: &str = "http://deb.debian.org/debian";

/// The file of apt's that names a release, and what it says.
pub(crate) fn source(suite: &str) -> Option<(String, String)> {
    let files = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
    let read = |path: &str| Some((path.to_owned(), std::fs::read_to_string(path).ok()?));
    let has = |(_, text): &(String, String)| text.split_whitespace().any(|word| word == suite);
    files.into_iter().filter_map(read).find(has)
}

/// The server that such a file names, or else Debian's own.
pub(crate) fn mirror(source: Option<&str>) -> &str {
    source.and_then(address).unwrap_or(MIRROR)
}

/// The first address in one of apt's files of either form.
fn address(text: &str) -> Option<&str> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let is_address = |word: &&str| word.starts_with("http://") || word.starts_with("https://");
    lines.flat_map(str::split_whitespace).find(is_address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_machines() {
        let new = "Types: deb\n# http://snapshot\nURIs: http://mirror/debian\nSuites: bookworm\n";
        assert_eq!(mirror(Some(new)), "http://mirror/debian");
        assert_eq!(mirror(Some("deb [signed-by=/k] https://m/d bookworm main\n")), "https://m/d");
        assert_eq!(mirror(Some("Types: deb\n")), MIRROR);
        assert_eq!(mirror(None), MIRROR);
    }
}
