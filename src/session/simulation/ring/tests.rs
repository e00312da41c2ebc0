//! Seeds.

use super::{Options, Profile, run};

#[test]
fn whatever_happens_nothing_that_must_not_be_is() {
    for seed in 0..20 {
        for profile in Profile::ALL {
            if let Err(violation) = run(seed, profile, &Options::default()) {
                panic!("{violation}");
            }
        }
    }
}
