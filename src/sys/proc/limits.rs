//! `/proc/PID/limits`: proc_pid_limits(5).

use crate::model::cgroup::Bound;
use crate::model::limits::{Resource, Rlimit};

/// Lines of another form, and resources of a newer kernel, are skipped.
pub fn parse(bytes: &[u8]) -> Vec<Rlimit> {
    bytes.split(|byte| *byte == b'\n').filter_map(line).collect()
}

/// `Max open files            20000                20000                files`: the name has
/// blanks, so that it is known or not.
fn line(line: &[u8]) -> Option<Rlimit> {
    let text = std::str::from_utf8(line).ok()?.strip_prefix("Max ")?;
    let known = Resource::ALL.into_iter();
    let mut of = known.filter_map(|resource| {
        let rest = text.strip_prefix(resource.kernels_name())?;
        rest.starts_with(' ').then_some((resource, rest))
    });
    let (resource, rest) = of.next()?;
    let mut words = rest.split_ascii_whitespace();
    let (soft, hard) = (bound(words.next()?)?, bound(words.next()?)?);
    Some(Rlimit { resource, soft, hard, used: None, exempt: None })
}

fn bound(word: &str) -> Option<Bound> {
    if word == "unlimited" {
        return Some(Bound::Unlimited);
    }
    word.parse().ok().map(Bound::At)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"\
Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max file size             unlimited            unlimited            bytes     
Max data size             unlimited            unlimited            bytes     
Max stack size            8388608              unlimited            bytes     
Max core file size        0                    unlimited            bytes     
Max resident set          unlimited            unlimited            bytes     
Max processes             96364                96364                processes 
Max open files            20000                20000                files     
Max locked memory         8388608              8388608              bytes     
Max address space         unlimited            unlimited            bytes     
Max file locks            unlimited            unlimited            locks     
Max pending signals       96364                96364                signals   
Max msgqueue size         819200               819200               bytes     
Max nice priority         0                    0                    
Max realtime priority     0                    0                    
Max realtime timeout      unlimited            unlimited            us        
";

    #[test]
    fn every_line_of_the_kernel() {
        let found = parse(FILE);
        let resources: Vec<_> = found.iter().map(|limit| limit.resource).collect();
        assert_eq!(resources, Resource::ALL);
        assert_eq!((found[3].soft, found[3].hard), (Bound::At(8_388_608), Bound::Unlimited));
        assert_eq!((found[7].soft, found[13].hard), (Bound::At(20_000), Bound::At(0)));
    }

    #[test]
    fn other_lines_are_skipped() {
        let odd = b"Max processesx 1 1\nMax open files 1\nMax open files -1 5\nMax widgets 1 1\n";
        assert_eq!(parse(odd), []);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_words_panic(text in "(Max |open files|processes|unlimited|[0-9]{1,21}|[ \n]){0,12}") {
            let _ = parse(text.as_bytes());
        }
    }
}
