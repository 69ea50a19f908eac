//! How many threads serve requests: three quarters of the cores. One more would find its work by taking what another one
//! has at hand, and commits, flushes and visibility need the rest.

use std::env;
use std::ffi::OsString;
use std::num::NonZero;
use std::thread::available_parallelism;

/// Sets another number, as for any program on tokio.
const VARIABLE: &str = "TOKIO_WORKER_THREADS";

/// The number on this machine.
///
/// # Errors
/// The environment says what is no number of threads. One line for people.
pub(crate) fn serving() -> Result<usize, String> {
    let cores = available_parallelism().map_or(1, NonZero::get);
    number(cores, env::var_os(VARIABLE))
}

fn number(cores: usize, wanted: Option<OsString>) -> Result<usize, String> {
    let Some(wanted) = wanted else {
        return Ok((cores * 3 / 4).max(1));
    };
    let number = wanted.to_str().and_then(|text| text.parse().ok());
    let number: NonZero<u16> = number.ok_or_else(|| {
        let wanted = wanted.to_string_lossy();
        format!("{VARIABLE} is {wanted:?}, which is no number of threads")
    })?;
    Ok(number.get().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_quarters_of_the_cores_and_at_least_one() {
        let of = |cores| number(cores, None);
        assert_eq!([1, 2, 3, 4, 8, 64].map(of), [1, 1, 2, 3, 6, 48].map(Ok));
    }

    #[test]
    fn the_environment_says_otherwise() {
        let of = |wanted: &str| number(2, Some(wanted.into()));
        assert_eq!(of("2"), Ok(2));
        for wrong in ["", "0", "-1", "two", "65536"] {
            let error = of(wrong).unwrap_err();
            assert_eq!(
                error,
                format!("TOKIO_WORKER_THREADS is {wrong:?}, which is no number of threads")
            );
        }
    }
}
