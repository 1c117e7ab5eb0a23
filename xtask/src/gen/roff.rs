//! A small markdown to roff, for the hand-written sections of manual pages.
//!
//! `## HEADING`, `### Sub-heading`, paragraphs, `- ` lists, terms (a line, then `: ` and what it
//! means), code blocks indented by four, and within text `**bold**`, `*italic*` and `` `code` ``.
//! See groff_man(7); the result must be clean for mandoc as well.

use std::fmt::Write;

/// A heading and what stands below it, as roff without the heading.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) heading: String,
    pub(super) body: String,
}

/// The sections of a text, in order. What stands before the first heading is dropped.
pub(super) fn sections(markdown: &str) -> Vec<Section> {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    for line in markdown.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            found.push((heading.trim().to_owned(), Vec::new()));
        } else if let Some((_, lines)) = found.last_mut() {
            lines.push(line);
        }
    }
    let section = |(heading, lines): (String, Vec<&str>)| Section { heading, body: body(&lines) };
    found.into_iter().map(section).collect()
}

/// What the last line was part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// After a heading: text needs no macro to start, and mandoc minds one.
    Heading,
    /// A blank line: the next text starts a paragraph.
    Between,
    Text,
    Code,
}

fn body(lines: &[&str]) -> String {
    let mut out = String::new();
    let mut state = State::Heading;
    let mut within_item = false;
    let mut rest = lines.iter().copied().peekable();
    while let Some(line) = rest.next() {
        if let (true, Some(code)) = (state != State::Text, line.strip_prefix("    ")) {
            if state != State::Code {
                out.push_str(match (within_item, state) {
                    (true, _) => ".IP\n.nf\n",
                    (false, State::Heading) => ".RS 4\n.nf\n",
                    (false, _) => ".PP\n.RS 4\n.nf\n",
                });
            }
            state = State::Code;
            let _ = writeln!(out, "{}", guarded(&escaped(code)));
            continue;
        }
        if line.trim().is_empty() {
            match (state, rest.peek()) {
                (State::Code, Some(next)) if next.starts_with("    ") => out.push('\n'),
                (State::Code, _) => state = end_code(&mut out, within_item),
                (State::Heading, _) => {}
                _ => state = State::Between,
            }
            continue;
        }
        if state == State::Code {
            state = end_code(&mut out, within_item);
        }
        let text = line.trim_start();
        if let Some(heading) = text.strip_prefix("### ") {
            let _ = writeln!(out, ".SS {}", escaped(heading));
            (state, within_item) = (State::Heading, false);
            continue;
        }
        if let Some(item) = text.strip_prefix("- ") {
            let _ = writeln!(out, ".IP \\(bu 2\n{}", inline(item));
            (state, within_item) = (State::Text, true);
            continue;
        }
        if let Some(meaning) = rest.peek().and_then(|next| next.strip_prefix(": ")) {
            let _ = writeln!(out, ".TP\n{}\n{}", inline(text), inline(meaning));
            rest.next();
            (state, within_item) = (State::Text, true);
            continue;
        }
        if state == State::Between {
            // An indented paragraph after an item goes on with it.
            within_item &= line.starts_with("  ");
            out.push_str(if within_item { ".IP\n" } else { ".PP\n" });
        }
        let _ = writeln!(out, "{}", inline(text));
        state = State::Text;
    }
    if state == State::Code {
        end_code(&mut out, within_item);
    }
    out
}

fn end_code(out: &mut String, within_item: bool) -> State {
    out.push_str(if within_item { ".fi\n" } else { ".fi\n.RE\n" });
    State::Between
}

/// Text with its emphasis; a line that roff would take for a request is guarded.
fn inline(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['*', '`']) {
        let (before, marked) = rest.split_at(at);
        out.push_str(&escaped(before));
        let span = ["**", "*", "`"].into_iter().find_map(|mark| {
            let (inner, after) = marked.strip_prefix(mark)?.split_once(mark)?;
            (!inner.is_empty() && !inner.starts_with(' ')).then_some((mark, inner, after))
        });
        match span {
            Some((mark, inner, after)) => {
                let font = if mark == "*" { 'I' } else { 'B' };
                let _ = write!(out, "\\f{font}{}\\fR", escaped(inner));
                rest = after;
            }
            None => {
                let mut chars = marked.chars();
                out.extend(chars.next());
                rest = chars.as_str();
            }
        }
    }
    out.push_str(&escaped(rest));
    guarded(&out)
}

/// Keeps a leading control character from being one.
fn guarded(line: &str) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
}

/// Characters that roff would change, as what stands for them.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            '\t' => out.push_str("    "),
            char if char.is_ascii() => out.push(char),
            char => {
                let _ = write!(out, "\\[u{:04X}]", u32::from(char));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(markdown: &str) -> String {
        let mut all = sections(&format!("## X\n{markdown}"));
        assert_eq!(all.len(), 1);
        all.remove(0).body
    }

    #[test]
    fn headings_split_a_text() {
        let all = sections("dropped\n## EXIT STATUS\none\n## FILES\n\ntwo\n");
        let expected = [("EXIT STATUS", "one\n"), ("FILES", "two\n")]
            .map(|(heading, body)| Section { heading: heading.into(), body: body.into() });
        assert_eq!(all, expected);
    }

    #[test]
    fn nothing_in_a_text_is_a_request_or_an_escape() {
        assert_eq!(only(".so /etc/passwd"), "\\&.so /etc/passwd\n");
        assert_eq!(only("'br"), "\\(aqbr\n");
        assert_eq!(only(r"\fB and \x1b, a-b"), "\\efB and \\ex1b, a\\-b\n");
        assert_eq!(only("    .ls\n    \\n"), ".RS 4\n.nf\n\\&.ls\n\\en\n.fi\n.RE\n");
        assert_eq!(only("caf\u{e9} ~ ^ \u{2192}"), "caf\\[u00E9] \\(ti \\(ha \\[u2192]\n");
    }

    #[test]
    fn emphasis_and_what_only_looks_like_it() {
        assert_eq!(
            only("**-a** or *FILE* or `x -y`"),
            "\\fB\\-a\\fR or \\fIFILE\\fR or \\fBx \\-y\\fR\n"
        );
        assert_eq!(only("2 * 3 * 4, `open"), "2 * 3 * 4, `open\n");
        assert_eq!(only("`*.md`"), "\\fB*.md\\fR\n");
    }

    #[test]
    fn paragraphs_lists_terms_and_code() {
        let text = "### Sub\n\none\nmore\n\ntwo\n\n- a\n  b\n- c\n\nterm\n: meaning\n  goes on\n\nlast\n\n    code\n\n    code\n";
        let roff = ".SS Sub\none\nmore\n.PP\ntwo\n.IP \\(bu 2\na\nb\n.IP \\(bu 2\nc\n.TP\nterm\nmeaning\ngoes on\n\
                    .PP\nlast\n.PP\n.RS 4\n.nf\ncode\n\ncode\n.fi\n.RE\n";
        assert_eq!(only(text), roff);
    }
}
