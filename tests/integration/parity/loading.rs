//! PyTorch files that do not fit: the errors speak the files' names.
//!
//! That fitting files are read, in every way of saving them, is what [`super::forward`] shows.

use burn::tensor::Device;
use context_encoder_model::{
    BottleneckConfig, Discriminator, FeatureModel, Model, ModelConfig, ModelError, Prediction,
};

use super::{expected, fixture, generators};

fn small() -> ModelConfig {
    ModelConfig::default().with_size(64).with_width(4)
}

/// The tensors of a [`ModelError::Mismatch`].
#[derive(Debug)]
struct Mismatch {
    missing: Vec<String>,
    unused: Vec<String>,
    misshapen: Vec<(String, String, String)>,
}

fn mismatch(file: &str, config: &ModelConfig) -> Mismatch {
    match Model::load_pytorch(fixture(file), config, &Device::flex()) {
        Err(ModelError::Mismatch { path, missing, unused, misshapen }) => {
            assert_eq!(path, fixture(file));
            Mismatch { missing, unused, misshapen }
        }
        Err(other) => panic!("{file}: {other}"),
        Ok(_) => panic!("{file} must not fit {config:?}"),
    }
}

/// Both kinds of bottleneck have weights at 11 and 12, of different shapes; later layers are shifted
/// against each other.
#[test]
fn a_dense_file_is_no_channel_wise_network() {
    let found = mismatch("netg_dense_centre.pth", &small());
    let misshapen = |name: &str| {
        let shapes = found.misshapen.iter().find(|(found, _, _)| found == name);
        shapes.map(|(_, network, file)| (network.as_str(), file.as_str()))
    };
    assert_eq!(misshapen("main.11.weight"), Some(("[32, 16, 16]", "[10, 32, 4, 4]")));
    assert_eq!(misshapen("main.12.weight"), Some(("[32, 32, 1, 1]", "[10]")));
    let missing = ["weight", "bias", "running_mean", "running_var"].map(|name| format!("main.13.{name}"));
    for name in &missing {
        assert!(found.missing.contains(name), "{name} is not in {:?}", found.missing);
    }
    for name in ["main.12.bias", "main.12.running_var", "main.14.weight"] {
        assert!(found.unused.iter().any(|unused| unused == name), "{name} is not in {:?}", found.unused);
    }
}

#[test]
fn a_channel_wise_file_is_no_dense_network() {
    let found =
        mismatch("netg_channel_wise_centre.pth", &small().with_bottleneck(BottleneckConfig::Dense(10)));
    assert!(found.missing.iter().any(|name| name == "main.12.running_mean"), "{found:?}");
    assert!(found.unused.iter().any(|name| name == "main.13.running_mean"), "{found:?}");
    assert!(found.misshapen.iter().any(|(name, _, _)| name == "main.11.weight"), "{found:?}");
}

/// The code's width is a number that the file does not state: a wrong one is found by shape alone.
#[test]
fn a_wrong_code_is_found_by_shape() {
    let found = mismatch("netg_dense_centre.pth", &small().with_bottleneck(BottleneckConfig::Dense(12)));
    assert!(found.missing.is_empty() && found.unused.is_empty(), "{found:?}");
    let mut names: Vec<&str> = found.misshapen.iter().map(|(name, _, _)| name.as_str()).collect();
    names.sort_unstable();
    let norm = ["main.12.bias", "main.12.running_mean", "main.12.running_var", "main.12.weight"];
    let expected: Vec<&str> = ["main.11.weight"].into_iter().chain(norm).chain(["main.14.weight"]).collect();
    assert_eq!(names, expected);
}

/// A whole picture takes one more stage than its centre.
#[test]
fn a_centre_file_lacks_the_last_stage_of_a_whole_picture() {
    let found = mismatch("netg_channel_wise_centre.pth", &small().with_prediction(Prediction::Whole));
    assert!(found.missing.iter().any(|name| name == "main.24.weight"), "{found:?}");
    assert!(found.unused.is_empty(), "{found:?}");
}

#[test]
fn a_discriminator_is_no_generator_nor_the_other_way_round() {
    let found = mismatch("discriminator.pth", &small());
    assert!(found.missing.iter().any(|name| name == "main.13.weight"), "{found:?}");
    let device = Device::flex();
    let error = Discriminator::load_pytorch(generators()[2].file(), &small(), &device);
    let error = error.expect_err("a generator").to_string();
    assert!(error.contains("netg_channel_wise_centre.pth does not fit the network"), "{error}");
    assert!(error.contains("unused: main.11.weight"), "{error}");
}

#[test]
fn a_generator_is_found_beside_other_things_and_these_are_named() {
    let (device, [.., generator]) = (Device::flex(), generators());
    let folder = tempfile::tempdir().expect("folder");
    let bytes = |file: &str| {
        let path = folder.path().join("weights.safetensors");
        let model = Model::load_pytorch(fixture(file), &generator.config, &device).expect("it fits");
        model.save(&path).expect("written");
        std::fs::read(path).expect("there")
    };
    assert_eq!(bytes("netg_beside_others.pth"), bytes("netg_channel_wise_centre_128.pth"));
    let left_out = |file: &str| Model::pytorch_parts_left_out(fixture(file)).expect("read");
    assert_eq!(left_out("netg_beside_others.pth"), ["netD", "optimizerG"]);
    assert!(left_out("netg_channel_wise_centre.pth").is_empty());
}

#[test]
fn other_files_are_refused_in_words() {
    let device = Device::flex();
    let error = Model::load_pytorch(fixture("feature_alexnet.safetensors"), &small(), &device);
    let error = error.expect_err("another network").to_string();
    assert!(error.contains("does not fit the network") && error.contains("main.0.weight"), "{error}");
    let text = std::env::temp_dir().join(format!("context-encoder-no-checkpoint-{}.pth", std::process::id()));
    std::fs::write(&text, "no checkpoint").expect("written");
    let error = Model::load_pytorch(&text, &small(), &device).expect_err("a text").to_string();
    assert!(error.contains("no PyTorch checkpoint"), "{error}");
    std::fs::remove_file(text).expect("just written");
    let error = Model::load(fixture("netg_dense_centre.pth"), &device).expect_err("PyTorch").to_string();
    assert!(error.contains("it is a PyTorch file") && error.contains("context-encoder convert"), "{error}");
    let error = Model::load(fixture("feature_alexnet.safetensors"), &device).expect_err("another kind");
    assert!(error.to_string().contains("has no `context-encoder.model`"), "{error}");
    let error = FeatureModel::load(fixture("expected_step.safetensors"), &device).expect_err("no network");
    assert!(error.to_string().contains("has no `context-encoder.feature-model`"), "{error}");
    let error = Model::load_pytorch(fixture("absent.pth"), &small(), &device).expect_err("absent");
    assert!(matches!(error, ModelError::Io { .. }), "{error}");
}

/// Names of the feature networks' tensors are those that a PyTorch module of the same attributes has.
#[test]
fn feature_networks_keep_pytorch_names() {
    for name in ["feature_alexnet.safetensors", "feature_pool_free.safetensors"] {
        let model = FeatureModel::load(fixture(name), &Device::flex()).expect("weights");
        assert_eq!(super::named(&model), expected(name));
    }
}
