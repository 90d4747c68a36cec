// Published models against what transformers computes with them.
#include "tests/support/golden.h"

#include <cstdio>
#include <vector>

#include <gtest/gtest.h>

#include "core/system/file.h"
#include "data/hdf5/hdf5.h"
#include "kernels/copy.h"
#include "tests/support/device.h"
#include "tests/support/temporary_directory.h"
#include "train/generate/generate.h"
#include "train/model/hugging_face/load.h"
#include "train/model/load_model.h"

namespace krait {
namespace {

namespace fs = std::filesystem;

/// The directories of published models among the golden files, but for those of Mamba-2.
std::vector<fs::path> golden_models() {
  std::vector<fs::path> models;
  for (const auto& entry : fs::directory_iterator(golden_file(""))) {
    if (!fs::exists(entry.path() / "config.json")) continue;
    if (read_file(entry.path() / "config.json").find("mamba2") != std::string::npos) continue;
    models.push_back(entry.path());
  }
  return models;
}

/// As asked for in README.md of the golden files. transformers computes parts in f32 whatever it is
/// given. In bf16 roundings of up to 2^-9 add like random steps.
double tolerance(Precision p) {
  return p == Precision::F64    ? 2e-6
         : p == Precision::F32  ? 1e-5
         : p == Precision::Tf32 ? 2e-2
                                : 0x1p-5;
}

LoadModelOptions options(Precision precision) {
  return {.precision = precision, .device = testing::test_device(), .needs_tokenizer = false};
}

Tensor to_i32(const Hdf5Array<std::int64_t>& ids) {
  const std::vector<std::int32_t> narrow(ids.values.begin(), ids.values.end());
  return Tensor::from<std::int32_t>(ids.shape, narrow).to(testing::test_device());
}

/// As on the CPU in f64.
std::vector<double> logits_of(const LoadedModel& loaded, const Tensor& ids) {
  const ContextScope scope(precision_context(testing::test_device(), loaded.precision));
  const NoGradScope no_grad;
  const Tensor logits =
      loaded.model->logits(loaded.model->forward(ids).hidden).value().to(Device{});
  const Tensor wide = Tensor::empty(logits.shape(), DType::F64);
  copy({.x = logits, .y = wide}, {});
  const auto values = wide.span<double>();
  return {values.begin(), values.end()};
}

std::string hash_of(const LoadedModel& loaded) {
  std::vector<NamedTensor> tensors;
  for (const Parameter& p : loaded.model->parameters()) {
    tensors.push_back({p.name, p.variable.value()});
  }
  return tensor_hash(tensors);
}

DEVICE_TEST(GoldenHuggingFace, LogitsAgreeInEveryPrecision) {
  const std::vector<Precision> precisions =
      testing::on_gpu() ? std::vector{Precision::F32, Precision::Tf32, Precision::Bf16}
                        : std::vector{Precision::F32, Precision::F64};
  const std::vector<fs::path> models = golden_models();
  ASSERT_FALSE(models.empty());
  for (const fs::path& directory : models) {
    const Hdf5File file = Hdf5File::open(directory / "expected.h5");
    const Tensor ids = to_i32(file.read<std::int64_t>("ids"));
    const std::vector<double> expected = file.read<double>("logits").values;
    for (const Precision precision : precisions) {
      const std::vector<double> got = logits_of(load_model(directory, options(precision)), ids);
      ASSERT_EQ(got.size(), expected.size()) << directory;
      const double error = relative_error<double>(got, expected);
      std::printf("%s in %s: %.2g\n", directory.filename().c_str(), name_of(precision).data(),
                  error);
      EXPECT_LE(error, tolerance(precision)) << directory << " in " << name_of(precision);
    }
  }
}

DEVICE_TEST(GoldenHuggingFace, GreedyContinuationIsEqual) {
  constexpr std::size_t kPrompt = 8;
  for (const fs::path& directory : golden_models()) {
    const LoadedModel loaded = load_model(directory, options(Precision::F32));
    const ContextScope scope(precision_context(testing::test_device(), loaded.precision));
    const auto greedy = Hdf5File::open(directory / "expected.h5").read<std::int64_t>("greedy");
    const auto columns = static_cast<std::size_t>(greedy.shape[1]);
    std::vector<TokenIds> prompts, expected;
    for (std::size_t row = 0; row < greedy.values.size(); row += columns) {
      const auto all = std::span(greedy.values).subspan(row, columns);
      prompts.emplace_back(all.begin(), all.begin() + kPrompt);
      expected.emplace_back(all.begin() + kPrompt, all.end());
    }
    const std::int32_t never = -1;  // the original went on beyond the end of a document
    const auto got = generate_tokens(*loaded.model, prompts, never,
                                     {.max_tokens = static_cast<std::int64_t>(columns - kPrompt),
                                      .sampling = {.temperature = 0}});
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].tokens, expected[i]) << directory << " row " << i;
    }
  }
}

TEST(GoldenHuggingFace, ImportedExportedAndReadAgainTheWeightsAreTheSameBits) {
  for (const fs::path& directory : golden_models()) {
    const TemporaryDirectory out;
    const LoadedModel original = load_model(directory, options(Precision::F32));
    const std::string expected = hash_of(original);
    import_hugging_face(directory, out / "run");
    const LoadedModel imported = load_model(out / "run");
    EXPECT_EQ(hash_of(imported), expected) << directory;
    EXPECT_EQ(imported.model->config().mamba1.norm_bcdt, original.model->config().mamba1.norm_bcdt);
    const Tensor ids = to_i32(Hdf5File::open(directory / "expected.h5").read<std::int64_t>("ids"));
    EXPECT_EQ(logits_of(imported, ids), logits_of(original, ids)) << directory;

    export_hugging_face(imported, out / "one");
    export_hugging_face(imported, out / "shards", {.max_shard_bytes = 50'000});
    EXPECT_FALSE(fs::exists(out / "shards/model.safetensors"));
    std::vector<const char*> names{"one", "shards"};
    const ModelConfig& c = imported.model->config();
    if (!c.mamba1.norm_bcdt && c.norm_eps == 1e-5) {  // what the official form can express
      export_hugging_face(imported, out / "official", {.style = HuggingFaceStyle::StateSpaces});
      names.push_back("official");
    }
    for (const char* name : names) {
      EXPECT_EQ(hash_of(load_model(out / name, options(Precision::F32))), expected) << name;
    }
  }
}

/// A file that the original library wrote comes out byte for byte, when it is one file in f32.
TEST(GoldenHuggingFace, ExportedFilesAreThoseOfTheOriginal) {
  int compared = 0;
  for (const fs::path& directory : golden_models()) {
    if (!fs::exists(directory / "model.safetensors")) continue;
    const SafetensorsModel arrays(directory);
    bool f32 = true;
    for (const SafetensorsArray& a : arrays.arrays()) f32 &= a.type == SafetensorsType::F32;
    if (!f32) continue;
    const TemporaryDirectory out;
    export_hugging_face(load_model(directory, options(Precision::F32)), out / "model");
    EXPECT_EQ(read_file(out / "model/model.safetensors"),
              read_file(directory / "model.safetensors"))
        << directory;
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

TEST(GoldenHuggingFace, Mamba2IsRefusedClearly) {
  for (const auto& entry : fs::directory_iterator(golden_file(""))) {
    const fs::path config = entry.path() / "config.json";
    if (!fs::exists(config) || read_file(config).find("mamba2") == std::string::npos) continue;
    expect_error(ErrorKind::BadData, {"config.json", "Mamba-2", "Mamba-1"},
                 [&] { load_model(entry.path(), options(Precision::F32)); });
  }
}

}  // namespace
}  // namespace krait
