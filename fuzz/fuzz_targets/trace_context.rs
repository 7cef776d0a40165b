//! `traceparent` and `tracestate`: what is sent on continues the same trace, and nothing else gets
//! into a header.
#![no_main]

use credential_keeper::fuzz_support::continued_trace;
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

/// The longest `tracestate`, in bytes (W3C Trace Context, section 3.3.1.5).
const MAXIMUM_STATE: usize = 512;

fuzz_target!(|input: (&str, [u8; 16], [u8; 8], u8, Option<&str>)| {
    let (text, trace_id, span_id, flags, state) = input;
    check(text, state);
    // A valid parent, which random bytes do not find.
    let parent = format!("00-{}-{}-{flags:02x}", hexadecimal(&trace_id), hexadecimal(&span_id));
    let is_valid = trace_id != [0; 16] && span_id != [0; 8];
    assert_eq!(check(&parent, state), is_valid, "{parent}");
    assert!(!check(&format!("{parent}-"), state), "version 00 has four fields");
});

/// Returns whether the trace is continued.
fn check(parent: &str, state: Option<&str>) -> bool {
    let length = parent.len() + state.map_or(0, str::len);
    let read = within(Limits::PARSER, length, || continued_trace(parent, state));
    let Some((sent, sent_state)) = &read else { return false };
    // The ids are those of the caller. Of the flags, only `sampled` is passed on.
    assert_eq!(sent[2..53], parent[2..53], "another trace");
    assert!(sent.starts_with("00-") && ["00", "01"].contains(&&sent[53..]), "{sent}");
    if let Some(sent_state) = sent_state {
        assert!((1..=MAXIMUM_STATE).contains(&sent_state.len()), "{sent_state}");
        assert!(sent_state.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{sent_state:?}");
    }
    assert_eq!(continued_trace(sent, sent_state.as_deref()), read, "another reading");
    true
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
