//! Sizes in words.

/// `1 byte`, `812 bytes`, `8.0 KB`, `1.4 MB`.
pub fn size(bytes: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let count = bytes as f64;
    match bytes {
        1 => "1 byte".to_owned(),
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{:.1} KB", count / 1024.0),
        _ => format!("{:.1} MB", count / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(size(1), "1 byte");
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(8192), "8.0 KB");
        assert_eq!(size(1_500_000), "1.4 MB");
    }
}
