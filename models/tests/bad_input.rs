//! Damaged and hostile files: each gives an error that names what is wrong; none panics, hangs or takes the memory
//! that it claims.

mod common;

use std::error::Error;
use std::ops::ControlFlow;

use common::{Outcome, fixture};
use futures_lite::future::block_on;
use poq_models::{BiEncoder, Decoder, DecoderOptions, GenerateOptions, ModelError, Prompt, cpu_device};

fn load(gguf: &[u8]) -> Result<Decoder, ModelError> {
    Decoder::from_gguf(gguf, &DecoderOptions::default(), &cpu_device())
}

/// The message of a load that must fail.
fn refusal(gguf: &[u8]) -> Result<String, Box<dyn Error>> {
    Ok(load(gguf).err().ok_or("this file was accepted")?.to_string())
}

fn find(bytes: &[u8], text: &str) -> Result<usize, Box<dyn Error>> {
    let at = bytes.windows(text.len()).position(|window| window == text.as_bytes());
    at.ok_or_else(|| format!("{text} is not in the fixture").into())
}

/// The fixture with `replacement` put over the bytes that stand `skip` bytes after the end of `text`.
fn patched(text: &str, skip: usize, replacement: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = fixture("tiny-llama.gguf")?;
    let at = find(&bytes, text)? + text.len() + skip;
    bytes[at..at + replacement.len()].copy_from_slice(replacement);
    Ok(bytes)
}

fn with_bytes(at: usize, replacement: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = fixture("tiny-llama.gguf")?;
    bytes[at..at + replacement.len()].copy_from_slice(replacement);
    Ok(bytes)
}

/// The fixture with one more metadata entry in front.
fn with_entry(key: &str, kind: u32, value: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let bytes = fixture("tiny-llama.gguf")?;
    let count = u64::from_le_bytes(bytes[16..24].try_into()?) + 1;
    let mut longer = bytes[..16].to_vec();
    longer.extend(count.to_le_bytes());
    longer.extend((key.len() as u64).to_le_bytes());
    longer.extend(key.as_bytes());
    longer.extend(kind.to_le_bytes());
    longer.extend(value);
    longer.extend(&bytes[24..]);
    Ok(longer)
}

#[test]
fn a_gguf_cut_off_anywhere_is_an_error() -> Outcome {
    let bytes = fixture("tiny-llama.gguf")?;
    load(&bytes)?;
    for length in (0..bytes.len()).step_by(7) {
        let error = refusal(&bytes[..length]).map_err(|error| format!("cut to {length}: {error}"))?;
        assert!(error.contains("the GGUF file cannot be read"), "cut to {length}: {error}");
        assert!(error.contains("bytes") && error.contains('`'), "cut to {length}: {error}");
    }
    Ok(())
}

#[test]
fn a_gguf_with_any_byte_changed_never_panics() -> Outcome {
    let bytes = fixture("tiny-llama.gguf")?;
    let header = find(&bytes, "output_norm.weight")? + 64;
    let options = GenerateOptions { max_tokens: 2, temperature: 0.5, seed: 0 };
    let (mut refused, mut loaded) = (0, 0);
    for (at, change) in (0..header).zip([0xFF, 0x01, 0x80].into_iter().cycle()) {
        let mut changed = bytes.clone();
        changed[at] ^= change;
        match load(&changed) {
            Ok(decoder) => {
                loaded += 1;
                // A text or an error, as the change has it.
                let prompt = Prompt::Text("the cat".to_owned());
                let _ = block_on(decoder.generate(&prompt, &options, &mut |_| ControlFlow::Continue(())));
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().len() < 2000, "{error}");
            }
        }
    }
    assert!(refused > 500 && loaded > 100, "{refused} refused, {loaded} loaded");
    Ok(())
}

#[test]
fn weights_that_are_not_finite_are_an_error() -> Outcome {
    let bytes = fixture("tiny-llama.gguf")?;
    // The last tensor is the output norm: 32 x f32, at the end of the file.
    let mut changed = bytes.clone();
    let end = changed.len();
    changed[end - 128..].copy_from_slice(&f32::NAN.to_le_bytes().repeat(32));
    let options = GenerateOptions { max_tokens: 2, temperature: 0.0, seed: 0 };
    let prompt = Prompt::Text("the".to_owned());
    let outcome = block_on(load(&changed)?.generate(&prompt, &options, &mut |_| ControlFlow::Continue(())));
    assert!(matches!(outcome, Err(ModelError::NotFinite(_))), "{outcome:?}");
    Ok(())
}

#[test]
fn hostile_lengths_and_counts_are_errors_at_once() -> Outcome {
    let huge = u64::MAX.to_le_bytes();
    let large = (1_u64 << 40).to_le_bytes();
    for lie in [huge, large] {
        for (at, what) in [(8, "name of tensor"), (16, "metadata key"), (24, "metadata key 0")] {
            let error = refusal(&with_bytes(at, &lie)?)?;
            // What comes after the last real entry is read as one more, until it makes no sense.
            let kinds = [what, "UTF-8", "type of", "0 dimensions"];
            assert!(kinds.iter().any(|kind| error.contains(kind)), "{what}: {error}");
        }
        let error = refusal(&patched("general.architecture", 4, &lie)?)?;
        assert!(error.contains("`general.architecture` needs"), "{error}");
        // An array: its type, the type of its elements, their count.
        let error = refusal(&patched("tokenizer.ggml.tokens", 8, &lie)?)?;
        assert!(error.contains("`tokenizer.ggml.tokens` needs"), "{error}");
        let error = refusal(&patched("tokenizer.ggml.token_type", 8, &lie)?)?;
        assert!(error.contains("`tokenizer.ggml.token_type` needs"), "{error}");
        // A tensor: rank, sizes, type, offset. The output norm has one size.
        let error = refusal(&patched("output_norm.weight", 4, &lie)?)?;
        assert!(error.contains("`output_norm.weight`") && error.contains("dimension"), "{error}");
        let error = refusal(&patched("output_norm.weight", 16, &lie)?)?;
        assert!(error.contains("`output_norm.weight` needs 128 bytes at offset"), "{error}");
    }
    let error = refusal(&patched("output_norm.weight", 0, &u32::MAX.to_le_bytes())?)?;
    assert!(error.contains("4294967295 dimensions; allowed: 1 to 4"), "{error}");
    let error = refusal(&patched("token_embd.weight", 4, &[0xE0, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 255, 255, 255, 255])?)?;
    assert!(error.contains("`token_embd.weight`"), "{error}");

    let mut nested = Vec::new();
    for _ in 0..100_000 {
        nested.extend(9_u32.to_le_bytes());
        nested.extend(1_u64.to_le_bytes());
    }
    let error = refusal(&with_entry("deep", 9, &nested)?)?;
    assert!(error.contains("`deep` nests arrays deeper than"), "{error}");
    for alignment in [0_u32, 3, u32::MAX] {
        let error = refusal(&with_entry("general.alignment", 4, &alignment.to_le_bytes())?)?;
        assert!(error.contains("`general.alignment` is") && error.contains("a power of two"), "{error}");
    }
    Ok(())
}

#[test]
fn a_gguf_that_does_not_fit_together_is_an_error_that_says_where() -> Outcome {
    let number = |value: u32| value.to_le_bytes();
    let cases: Vec<(Vec<u8>, &[&str])> = vec![
        (with_bytes(0, b"GGML")?, &["`magic`", "GGML", "GGUF"]),
        (with_bytes(4, &number(9))?, &["`version` is 9", "2 or 3"]),
        (patched("general.architecture", 12, b"bloom")?, &["`general.architecture` is \"bloom\"", "\"llama\""]),
        (patched("general.architecture", 0, &number(77))?, &["type of general.architecture", "77", "0 to 12"]),
        (patched("llama.block_count", 4, &number(3))?, &["lacks the tensor `blk.2."]),
        (patched("llama.block_count", 4, &number(0))?, &["`llama.block_count` is 0", "from 1"]),
        (patched("llama.embedding_length", 4, &number(64))?, &["llama.rope.dimension_count", "8", "16"]),
        (patched("llama.feed_forward_length", 4, &number(65))?, &["`blk.0.ffn_gate.weight`", "[64, 32]", "[65, 32]"]),
        (patched("llama.attention.head_count", 4, &number(5))?, &["head_count"]),
        (patched("llama.attention.head_count_kv", 4, &number(3))?, &["head_count_kv` is 3", "divisor of the 4"]),
        (patched("llama.attention.head_count_kv", 4, &number(1))?, &["`blk.0.attn_k.weight`", "[16, 32]", "[8, 32]"]),
        (patched("llama.context_length", 4, &number(u32::MAX))?, &["`llama.context_length` is 4294967295"]),
        (patched("llama.rope.freq_base", 4, &f32::NAN.to_le_bytes())?, &["`llama.rope.freq_base` is NaN", "above 0"]),
        (patched("layer_norm_rms_epsilon", 4, &number(0))?, &["layer_norm_rms_epsilon` is 0.0"]),
        (patched("llama.block_count", 0, &number(6))?, &["`llama.block_count` is 2.8", "a whole number"]),
        (patched("tokenizer.ggml.model", 12, b"bert")?, &["`tokenizer.ggml.model` is \"bert\"", "gpt2"]),
        (patched("tokenizer.ggml.pre", 12, b"klingo")?, &["`tokenizer.ggml.pre` is \"klingo\"", "smollm"]),
        (patched("tokenizer.ggml.eos_token_id", 4, &number(9999))?, &["eos_token_id` is 9999", "to 263"]),
        (patched("llama.embedding_lengt", 0, b"x")?, &["lacks the field `llama.embedding_length`"]),
        (patched("output_norm.weigh", 0, b"x")?, &["`output_norm.weighx`", "no place"]),
        (patched("output_norm.weight", 12, &number(99))?, &["stored as type 99", "Q4_1 (3)", "Q6_K (14)"]),
        (with_entry("llama.rope.scaling.type", 8, b"\x04\0\0\0\0\0\0\0yarn")?, &["scaling.type` is \"yarn\"", "none"]),
        (with_entry("llama.expert_count", 4, &number(8))?, &["`llama.expert_count` is 8"]),
        (with_entry("general.name", 4, &number(8))?, &["`general.name` twice"]),
    ];
    for (bytes, expected) in cases {
        let error = refusal(&bytes).map_err(|error| format!("{expected:?}: {error}"))?;
        for part in expected {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
        assert!(error.contains("the GGUF file"), "{error}");
    }
    let template = patched("tokenizer.chat_template", 12, b"{% for")?;
    let broken = String::from_utf8_lossy(&template).contains("{% for");
    assert!(broken && refusal(&patched("tokenizer.chat_template", 12, b"{{ for")?)?.contains("chat template"));
    Ok(())
}

/// The parts of the tiny encoder, of which a test damages one.
struct Parts {
    config: Vec<u8>,
    tokenizer: Vec<u8>,
    tensors: Vec<u8>,
}

impl Parts {
    fn read() -> Result<Self, Box<dyn Error>> {
        let file = |name: &str| fixture(&format!("tiny-bert/{name}"));
        Ok(Self {
            config: file("config.json")?,
            tokenizer: file("tokenizer.json")?,
            tensors: file("model.safetensors")?,
        })
    }

    fn load(&self, max_tokens: Option<usize>) -> Result<BiEncoder, ModelError> {
        BiEncoder::from_parts(&self.config, &self.tokenizer, &self.tensors, max_tokens, &cpu_device())
    }

    fn refusal(&self) -> Result<String, Box<dyn Error>> {
        Ok(self.load(None).err().ok_or("these files were accepted")?.to_string())
    }
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    assert!(text.contains(from), "{from} is not in the fixture");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn encoder_files_cut_off_anywhere_are_errors_that_name_the_file() -> Outcome {
    let whole = Parts::read()?;
    whole.load(None)?;
    for length in 0..whole.tensors.len() {
        let error = Parts { tensors: whole.tensors[..length].to_vec(), ..Parts::read()? }.refusal()?;
        assert!(error.contains("the safetensors file cannot be read"), "cut to {length}: {error}");
    }
    // The last byte of the JSON files is a line end.
    for length in (0..whole.tokenizer.len() - 1).step_by(3) {
        let error = Parts { tokenizer: whole.tokenizer[..length].to_vec(), ..Parts::read()? }.refusal()?;
        assert!(error.contains("tokenizer.json cannot be read"), "cut to {length}: {error}");
    }
    for length in 0..whole.config.len() - 1 {
        let error = Parts { config: whole.config[..length].to_vec(), ..Parts::read()? }.refusal()?;
        assert!(error.contains("config.json cannot be read"), "cut to {length}: {error}");
    }
    Ok(())
}

#[test]
fn encoder_files_with_any_byte_changed_never_panic() -> Outcome {
    let whole = Parts::read()?;
    let mut parts = Parts::read()?;
    for (at, change) in (0..whole.tensors.len()).step_by(5).zip([0xFF, 0x01, 0x80].into_iter().cycle()) {
        parts.tensors[at] ^= change;
        if let Ok(encoder) = parts.load(Some(12)) {
            let _ = block_on(encoder.embed(&["the cat sat"]));
        }
        parts.tensors[at] ^= change;
    }
    for at in 0..whole.tokenizer.len() {
        parts.tokenizer[at] ^= 0x01;
        if let Ok(encoder) = parts.load(Some(12)) {
            let _ = block_on(encoder.embed(&["the cat sat"]));
        }
        parts.tokenizer[at] ^= 0x01;
    }
    for at in 0..whole.config.len() {
        parts.config[at] ^= 0x01;
        if let Ok(encoder) = parts.load(Some(12)) {
            let _ = block_on(encoder.embed(&["the cat sat"]));
        }
        parts.config[at] ^= 0x01;
    }
    Ok(())
}

#[test]
fn encoder_files_that_do_not_fit_together_are_errors_that_say_where() -> Outcome {
    let whole = Parts::read()?;
    let config = |from: &str, to: &str| -> Result<String, Box<dyn Error>> {
        Parts { config: replaced(&whole.config, from, to), ..Parts::read()? }.refusal()
    };
    let cases = [
        (config("\"bert\"", "\"electra\"")?, ["`model_type` is \"electra\"", "\"bert\", \"distilbert\""]),
        (config("\"gelu\"", "\"relu\"")?, ["`hidden_act` is \"relu\"", "\"gelu\""]),
        (config("\"hidden_size\": 8", "\"hidden_size\": 9")?, ["`num_attention_heads` is 2", "divisor"]),
        (config("\"hidden_size\": 8", "\"hidden_size\": 16")?, ["[2, 8]", "[2, 16]"]),
        (config("\"hidden_size\"", "\"size\"")?, ["config.json", "hidden_size"]),
        (config("\"hidden_size\": 8", "\"hidden_size\": -8")?, ["config.json", "hidden_size"]),
        (config("1e-12", "0.0")?, ["`layer_norm_eps` is 0.0", "above 0"]),
        (config("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3")?, ["lacks the tensor", "encoder.layer.2."]),
        (config("\"vocab_size\": 14", "\"vocab_size\": 13")?, ["tokenizer.json", "ids below vocab_size 13"]),
        (config("\"vocab_size\": 14", "\"vocab_size\": 4000000000")?, ["`vocab_size` is 4000000000", "1 to"]),
        (config("\"max_position_embeddings\": 24", "\"max_position_embeddings\": 25")?, ["[24, 8]", "[25, 8]"]),
    ];
    for (error, expected) in cases {
        for part in expected {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
    }
    for max_tokens in [0, 2, 25, usize::MAX] {
        let error = whole.load(Some(max_tokens)).err().ok_or("accepted")?.to_string();
        assert!(error.contains("`max_seq_length`") && error.contains("3 to 24"), "{error}");
    }
    let mut huge_header = whole.tensors.clone();
    huge_header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(
        Parts { tensors: huge_header, ..Parts::read()? }.refusal()?.contains("the safetensors file cannot be read")
    );
    let other_type = replaced_in_header(&whole.tensors, "\"F16\"", "\"I16\"");
    assert!(Parts { tensors: other_type, ..Parts::read()? }.refusal()?.contains("allowed: F32, F16, BF16"));
    Ok(())
}

/// A change of one length in a file that is not text.
fn replaced_in_header(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Ok(at) = find(&bytes, from) {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}
