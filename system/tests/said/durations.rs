//! Times on the command line.

use super::program::{said, veil};

#[test]
fn a_time_that_is_none_is_refused_with_field_value_and_limits() {
    for (text, why) in [
        ("0s", "the time is 0s, the least is 1ms, the limit 1day"),
        ("0", "the time is 0, the least is 1ms, the limit 1day"),
        ("-5", "expected seconds, or a time such as 10s, 500ms or 2m"),
        ("3 days", "the time is 3 days, the least is 1ms, the limit 1day"),
        ("soon", "expected seconds, or a time such as 10s, 500ms or 2m"),
    ] {
        let output = veil(&["leader", "--timeout", text]).output().unwrap();
        let (out, complaint, code) = said(&output);
        assert_eq!((out.as_str(), code), ("", Some(2)), "{text}: {complaint}");
        let begins = format!("error: invalid value '{text}' for '--timeout <TIME>': {why}\n");
        assert!(complaint.starts_with(&begins), "{complaint}");
    }
}

#[test]
fn a_number_is_a_number_of_seconds() {
    for text in ["1", "1s", "1000ms"] {
        let arguments = ["leader", "--timeout", text, "--plain", "--nodes", "127.0.0.1:1"];
        let (_, complaint, code) = said(&veil(&arguments).output().unwrap());
        assert_eq!(code, Some(1));
        assert!(complaint.starts_with("veil: no node answered within 1.0s (127.0.0.1:1): "), "{complaint}");
    }
}
