//! Many runs on all cores.

use poq_core::scenario::ScenarioError;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use crate::fault::{Fault, Outcome};
use crate::interrupt;
use crate::progress::Progress;

/// Runs of a batch for each thread: between two batches Ctrl-C is looked at.
const RUNS_PER_THREAD: usize = 16;

/// What `run` makes of `0..runs`, in order.
pub fn run_all<T: Send>(
    what: &str,
    runs: usize,
    run: impl Fn(usize) -> Result<T, ScenarioError> + Sync,
) -> Outcome<Vec<T>> {
    let mut progress = Progress::new(what, "runs", runs as u64);
    let mut results = Vec::with_capacity(runs);
    let batch = RUNS_PER_THREAD * rayon::current_num_threads();
    for start in (0..runs).step_by(batch) {
        if interrupt::requested() {
            return Err(Fault::Interrupted);
        }
        let some = start..(start + batch).min(runs);
        let done = some.len() as u64;
        results.extend(some.into_par_iter().map(&run).collect::<Result<Vec<T>, _>>()?);
        progress.advance(done);
    }
    progress.finish();
    Ok(results)
}
