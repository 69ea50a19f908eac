//! The simulation finds what it is there to find: bugs planted at the seams, each within 50 seeds.

use std::process::Command;

fn found(planted: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast-sim"))
        .args(["--planted", planted, "--seeds", "50"])
        .output()
        .expect("the simulation can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{planted} was not found:\n{text}");
    assert!(text.starts_with("FAILED seed "), "{text}");
    assert!(text.trim_end().ends_with("1 failed"), "{text}");
}

#[test]
fn an_acknowledgement_before_the_write_is_found() {
    found("early-ok");
}

#[test]
fn a_fence_that_is_not_checked_is_found() {
    found("no-fence");
}

#[test]
fn time_that_runs_backwards_is_found() {
    found("clock-backwards");
}

#[test]
fn a_timer_lost_on_reload_is_found() {
    found("lost-timer");
}

#[test]
fn a_message_lost_on_reload_is_found() {
    found("lost-message");
}

#[test]
fn a_row_that_is_not_written_is_found() {
    found("lost-row");
}

#[test]
fn a_lost_visibility_record_is_found() {
    found("lost-record");
}
