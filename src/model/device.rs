//! What the kernel calls a device: two numbers.

use std::fmt;

/// Of a block device, or of a file system that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Device {
    /// Which driver; 0 where there is no device.
    pub major: u32,
    /// Which of the driver's devices, or of the file systems without one.
    pub minor: u32,
}

impl Device {
    /// `254:0`
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (major, minor) = std::str::from_utf8(text).ok()?.split_once(':')?;
        // The standard parser takes a sign too.
        let number = |digits: &str| digits.parse().ok().filter(|_| !digits.starts_with('+'));
        Some(Self { major: number(major)?, minor: number(minor)? })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

impl serde::Serialize for Device {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Device {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Device".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "`major:minor`" })
    }
}

#[cfg(test)]
mod tests {
    use super::Device;

    #[test]
    fn two_numbers_are_a_device_and_nothing_else_is() {
        let device = Device { major: 254, minor: 1_048_575 };
        assert_eq!(Device::parse(b"254:1048575"), Some(device));
        assert_eq!(device.to_string(), "254:1048575");
        for text in
            ["", ":", "8", "8:", ":1", "8:1:2", "8:x", "-1:0", "+1:0", "8 :1", "4294967296:0"]
        {
            assert_eq!(Device::parse(text.as_bytes()), None, "{text}");
        }
    }
}
