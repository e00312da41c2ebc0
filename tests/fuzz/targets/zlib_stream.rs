#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| shardstream::fuzzing::zlib_stream(data));
