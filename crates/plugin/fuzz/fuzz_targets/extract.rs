#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| molecule_plugin_fuzz::extract(data));
