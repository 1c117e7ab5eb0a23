//! How answers travel from a member of the crew: fixed fields in the machine's byte order and bytes
//! after their length, written and read by the same program.

/// Its length as 32 bits, and then the bytes.
pub fn write(bytes: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(bytes.len()).unwrap_or(0);
    out.extend(length.to_ne_bytes());
    out.extend(bytes.get(..length as usize).unwrap_or_default());
}

/// What is left to read.
#[derive(Debug)]
pub struct Rest<'a>(pub &'a [u8]);

impl<'a> Rest<'a> {
    /// `None`, and nothing is taken, where fewer are left.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// `None` at the end.
    pub fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// `None`, and nothing is taken, where fewer than four bytes are left.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_ne_bytes)
    }

    /// `None`, and nothing is taken, where fewer than eight bytes are left.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_ne_bytes)
    }

    /// As `write` wrote them; `None` where fewer are left than their length says.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut out = vec![7];
        write(b"name", &mut out);
        write(b"", &mut out);
        out.extend(9_u64.to_ne_bytes());
        let mut rest = Rest(&out);
        assert_eq!(rest.byte(), Some(7));
        assert_eq!(rest.bytes(), Some(&b"name"[..]));
        assert_eq!(rest.bytes(), Some(&b""[..]));
        assert_eq!(rest.u64(), Some(9));
        assert_eq!(rest.byte(), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let mut rest = Rest(&bytes);
            let _ = (rest.u32(), rest.bytes(), rest.u64(), rest.bytes(), rest.byte());
        }
    }
}
