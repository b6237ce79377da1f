#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| certmesh_tests::fuzz::identity_file(bytes));
