#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| shardstream::fuzzing::retry_after(data));
